import { hasPasskeys, offersPasskeys } from "@handstamp/client/factors";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { isProblem, messageOf } from "../../api/problem";
import { factors } from "../../lib/factors";

/** A button that logs in with a passkey; the browser offers them in the field for the username, too. */
export function PasskeyLogin() {
  const offer = useRef<AbortController>(undefined);
  const logIn = useMutation({ mutationFn: () => factors.loginWithPasskey() });
  useEffect(() => {
    const { signal } = (offer.current = new AbortController());
    const wait = async () => {
      if (!(await offersPasskeys()) || signal.aborted) return;
      await factors.loginWithPasskey({ mediation: "conditional", signal });
    };
    // Nothing was asked for, so nothing has gone wrong.
    wait().catch(() => undefined);
    return () => { offer.current?.abort(); };
  }, []);
  if (!hasPasskeys()) return null;
  const isFailed = logIn.isError && !isProblem(logIn.error, "passkey_not_used");
  return (
    <>
      <button
        type="button"
        className="button button-second button-wide"
        disabled={logIn.isPending}
        onClick={() => {
          // A browser takes one request at a time.
          offer.current?.abort();
          logIn.mutate();
        }}
      >
        {logIn.isPending ? "Waiting for your passkey…" : "Log in with a passkey"}
      </button>
      <div role="alert">
        {isFailed && <p className="field-error">{messageOf(logIn.error)}</p>}
      </div>
    </>
  );
}
