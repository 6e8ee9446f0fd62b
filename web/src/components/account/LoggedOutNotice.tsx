import { dismissEnd, useEnded } from "../../session/ended";
import { ENDED_TEXT } from "./endedText";

/** Tells somebody who did not log out here that they are logged out, and why. */
export function LoggedOutNotice() {
  const reason = useEnded();
  return (
    <div role="alert">
      {reason && (
        <p className="toast">
          You were logged out: {ENDED_TEXT[reason]}
          <button type="button" onClick={dismissEnd}>
            OK
          </button>
        </p>
      )}
    </div>
  );
}
