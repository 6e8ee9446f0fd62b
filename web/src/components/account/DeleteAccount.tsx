import { useClient } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { isProblem, messageOf } from "../../api/problem";
import { ConfirmButton } from "../forms/ConfirmButton";

/** Deletes the account, having said what that does. */
export function DeleteAccount({ username }: { username: string }) {
  const remove = useMutation({ mutationFn: useClient().deleteAccount });
  // A user who does not give the password knows that nothing was deleted.
  const isFailed = remove.isError && !isProblem(remove.error, "reauthentication_required");
  return (
    <>
      <ul role="list" className="points">
        <li>You are logged out, on every device.</li>
        <li>Your username, your e-mail address, your password, your passkeys and your codes are deleted. Others can take the name.</li>
        <li>What you have written stays, under the name “[deleted]”; so do your votes.</li>
      </ul>
      <ConfirmButton
        className="button button-second"
        label={remove.isPending ? "Deleting…" : "Delete account"}
        title="Delete your account?"
        text={`${username} goes for good: nobody can bring the account back. If you want your posts and comments gone as well, cancel, and delete those first.`}
        confirm="Delete account"
        isPending={remove.isPending}
        onConfirm={() => { remove.mutate(); }}
      />
      <div role="alert">
        {isFailed && <p className="field-error">{messageOf(remove.error)}</p>}
      </div>
    </>
  );
}
