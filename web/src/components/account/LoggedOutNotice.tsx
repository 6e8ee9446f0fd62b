import { useSession } from "@handstamp/client/react";
import { useState } from "react";
import { endedText } from "./endedText";

/** Tells somebody who did not log out that they are logged out, and why. */
export function LoggedOutNotice() {
  const { user, reason } = useSession();
  const [shownFor, setShownFor] = useState(user);
  const [notice, setNotice] = useState<string | null>(null);
  if (shownFor !== user) {
    setShownFor(user);
    setNotice(user ? null : endedText(reason));
  }
  return (
    <div role="alert">
      {notice && (
        <p className="toast">
          You were logged out: {notice}
          <button type="button" onClick={() => { setNotice(null); }}>
            OK
          </button>
        </p>
      )}
    </div>
  );
}
