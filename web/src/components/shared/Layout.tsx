import { Link, Outlet, ScrollRestoration } from "react-router";
import { useSession } from "../../session/session";
import { LoggedOutNotice } from "../account/LoggedOutNotice";
import { AccountLinks } from "./AccountLinks";
import { ErrorNotice } from "./ErrorNotice";
import { Stamp } from "./Stamp";

/** The masthead with the links for this user, and the page below it. */
export function Layout() {
  const session = useSession();
  return (
    <div className="frame">
      <a href="#content" className="button skip">
        Skip to the content
      </a>
      <header className="masthead">
        <Link to="/" className="brand">
          <Stamp />
          Just Tech News
        </Link>
        {/* Empty until the session is loaded, so that the wrong links never show. */}
        <nav aria-label="Account">
          {session.isSuccess && <AccountLinks isLoggedIn={session.data !== null} />}
        </nav>
      </header>
      <main id="content" tabIndex={-1} className="content">
        {session.isSuccess && <Outlet />}
        {session.isError && (
          <ErrorNotice
            isPage
            title="We cannot reach the newsroom"
            error={session.error}
            retry={() => void session.refetch()}
          />
        )}
      </main>
      {/* Shown together with the content, which would push it down otherwise. */}
      {session.isSuccess && (
        <footer className="footer">
          <p>Sessions by handstamp.</p>
          <p>
            <a href="/docs" className="link">
              The API
            </a>
          </p>
        </footer>
      )}
      <LoggedOutNotice />
      <ScrollRestoration />
    </div>
  );
}
