import { useSession } from "@handstamp/client/react";
import { useState } from "react";
import { useLocation } from "react-router";
import { endedText } from "./endedText";

/** Pages whose links end sessions, and which say so themselves. */
const TELLING = ["/reset-password", "/verify-email"];

/** Tells somebody who did not log out that they are logged out, and why. */
export function LoggedOutNotice() {
  const { user, reason } = useSession();
  const { pathname } = useLocation();
  const [shownFor, setShownFor] = useState(user);
  const [notice, setNotice] = useState<string | null>(null);
  if (shownFor !== user) {
    setShownFor(user);
    setNotice(user || TELLING.includes(pathname) ? null : endedText(reason));
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
