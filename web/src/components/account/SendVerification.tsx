import { useClient } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { messageOf } from "../../api/problem";

/** Sends the link again that verifies the user's address. */
export function SendVerification({ className = "" }: { className?: string }) {
  const send = useMutation({ mutationFn: useClient().requestVerification });
  return (
    <>
      <button
        type="button"
        className={`button ${className}`}
        disabled={send.isPending}
        onClick={() => { send.mutate(); }}
      >
        {send.isPending ? "Sending…" : "Send the link again"}
      </button>
      <p role="status" className="form-done">
        {send.isSuccess && "Sent. Earlier links do not count any more."}
      </p>
      <div role="alert">
        {send.isError && <p className="field-error">{messageOf(send.error)}</p>}
      </div>
    </>
  );
}
