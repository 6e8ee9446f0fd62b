import { Link, Outlet, ScrollRestoration, useLocation } from "react-router";
import { loginPath } from "../../lib/next";
import { useLogOut, useSession } from "../../session/session";
import { ErrorNotice } from "./ErrorNotice";
import { Stamp } from "./Stamp";

/** The masthead with the links for this user, and the page below it. */
export function Layout() {
  const session = useSession();
  return (
    <div className="mx-auto flex min-h-dvh max-w-3xl flex-col px-4 sm:px-6">
      <a
        href="#content"
        className="button absolute -top-20 left-4 z-10 focus:top-2"
      >
        Skip to the content
      </a>
      <header className="flex min-h-24 flex-wrap items-center justify-between gap-x-6 gap-y-1 border-b-4 border-double border-line py-4">
        <Link to="/" className="flex items-center gap-3 text-2xl font-semibold tracking-tight">
          <Stamp />
          Just Tech News
        </Link>
        {/* Empty until the session is loaded, so that the wrong links never show. */}
        <nav aria-label="Account" className="flex min-h-10 items-center gap-4 font-sans text-sm">
          {session.isSuccess && <AccountLinks username={session.data?.username} />}
        </nav>
      </header>
      <main id="content" tabIndex={-1} className="flex-1 py-8 outline-none">
        {session.isSuccess && <Outlet />}
        {session.isError && (
          <ErrorNotice
            title="We cannot reach the newsroom"
            error={session.error}
            retry={() => void session.refetch()}
          />
        )}
      </main>
      {/* Shown together with the content, which would push it down otherwise. */}
      {session.isSuccess && (
        <footer className="small border-t border-line py-6">
          Sessions by handstamp.
        </footer>
      )}
      <ScrollRestoration />
    </div>
  );
}

function AccountLinks({ username }: { username: string | undefined }) {
  const { pathname } = useLocation();
  const logOut = useLogOut();
  if (username === undefined) {
    if (pathname === "/login") return null;
    const comesBack = pathname.startsWith("/post/") ? loginPath(pathname) : "/login";
    return (
      <Link to={comesBack} className="link">
        Log in
      </Link>
    );
  }
  return (
    <>
      <Link to="/dashboard" className="link max-w-40 truncate">
        {username}
        <span className="sr-only">, your dashboard</span>
      </Link>
      <button
        type="button"
        className="link cursor-pointer"
        disabled={logOut.isPending}
        onClick={() => { logOut.mutate(); }}
      >
        Log out
      </button>
      {logOut.isError && (
        <span role="alert" className="text-stamp">
          You are still logged in. Try again.
        </span>
      )}
    </>
  );
}
