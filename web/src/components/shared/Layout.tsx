import { useClient, useSession } from "@handstamp/client/react";
import { Link, Outlet, ScrollRestoration } from "react-router";
import { LoggedOutNotice } from "../account/LoggedOutNotice";
import { AccountLinks } from "./AccountLinks";
import { ErrorNotice } from "./ErrorNotice";
import { Stamp } from "./Stamp";

/** The masthead with the links for this user, and the page below it. */
export function Layout() {
  const { status, user, error } = useSession();
  const { refresh } = useClient();
  const isKnown = status !== "loading";
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
          {isKnown && <AccountLinks isLoggedIn={user !== null} />}
        </nav>
      </header>
      <main id="content" tabIndex={-1} className="content">
        {isKnown && <Outlet />}
        {!isKnown && error && (
          <ErrorNotice
            isPage
            title="We cannot reach the newsroom"
            error={error}
            retry={() => void refresh()}
          />
        )}
      </main>
      {/* Shown together with the content, which would push it down otherwise. */}
      {isKnown && (
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
