import type { OwnPasskey } from "@handstamp/client/factors";
import { hasPasskeys } from "@handstamp/client/factors";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { isProblem, messageOf } from "../../api/problem";
import { factors, passkeysQuery } from "../../lib/factors";
import { ConfirmButton } from "../forms/ConfirmButton";
import { ErrorNotice } from "../shared/ErrorNotice";
import { TimeAgo } from "../shared/TimeAgo";
import { PasskeyName } from "./PasskeyName";

/** What is worth saying of a failure: not that somebody has changed their mind. */
function failureOf(error: unknown): string | null {
  if (error === null) return null;
  const isOwnWill = isProblem(error, "passkey_not_used") || isProblem(error, "reauthentication_required");
  if (isOwnWill) return null;
  if (isProblem(error, "last_credential")) {
    return "It is the only way into your account: choose a password or add another passkey first.";
  }
  return messageOf(error);
}

/** The user's passkeys: add, name, remove. */
export function PasskeyList() {
  const passkeys = useQuery(passkeysQuery);
  const queries = useQueryClient();
  const add = useMutation({
    mutationFn: () => factors.addPasskey(),
    onSuccess: () => queries.invalidateQueries(passkeysQuery),
  });
  if (passkeys.isPending) return <div aria-busy="true" className="loading-part" />;
  if (!passkeys.data) {
    return <ErrorNotice error={passkeys.error} retry={() => void passkeys.refetch()} />;
  }
  const failure = failureOf(add.error);
  return (
    <>
      {passkeys.data.length > 0 && (
        <ul role="list" className="rows">
          {passkeys.data.map((passkey) => (
            <Passkey key={passkey.id} passkey={passkey} />
          ))}
        </ul>
      )}
      {hasPasskeys() ? (
        <p className="panel-end">
          <button
            type="button"
            className="button button-second"
            disabled={add.isPending}
            onClick={() => { add.mutate(); }}
          >
            {add.isPending ? "Waiting for your device…" : "Add a passkey"}
          </button>
        </p>
      ) : (
        <p className="soft">This browser does not know passkeys.</p>
      )}
      <div role="alert">{failure !== null && <p className="field-error">{failure}</p>}</div>
    </>
  );
}

function Passkey({ passkey }: { passkey: OwnPasskey }) {
  const [isNaming, setIsNaming] = useState(false);
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => factors.removePasskey(passkey.id),
    onSuccess: () => queries.invalidateQueries(passkeysQuery),
  });
  const failure = failureOf(remove.error);
  if (isNaming) {
    return (
      <li>
        <PasskeyName passkey={passkey} onDone={() => { setIsNaming(false); }} />
      </li>
    );
  }
  return (
    <li className="row row-own">
      <div className="row-text">
        <p className="row-title">{passkey.name}</p>
        <p className="meta">
          <span>
            Added <TimeAgo time={passkey.created_at} />
          </span>
          <span>
            {passkey.last_used_at === null ? (
              "Not used yet"
            ) : (
              <>
                Last used <TimeAgo time={passkey.last_used_at} />
              </>
            )}
          </span>
          <span>{passkey.backed_up ? "Kept by your password manager" : "On one device alone"}</span>
        </p>
        <div role="alert">{failure !== null && <p className="field-error">{failure}</p>}</div>
      </div>
      <div className="row-actions">
        <button type="button" className="action" onClick={() => { setIsNaming(true); }}>
          Rename<span className="sr-only"> {passkey.name}</span>
        </button>
        <ConfirmButton
          label={<>Remove<span className="sr-only"> {passkey.name}</span></>}
          title="Remove this passkey?"
          text={`“${passkey.name}” logs in no more. Your device keeps it until you delete it there as well.`}
          confirm="Remove"
          isPending={remove.isPending}
          onConfirm={() => { remove.mutate(); }}
        />
      </div>
    </li>
  );
}
