import { useClient } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { NavLink, useLocation, useSearchParams } from "react-router";
import { loginPath, signUpPath } from "../../lib/next";

/** The links of the masthead for a visitor, or for a user. */
export function AccountLinks({ isLoggedIn }: { isLoggedIn: boolean }) {
  return isLoggedIn ? <UserLinks /> : <VisitorLinks />;
}

function VisitorLinks() {
  const { pathname } = useLocation();
  const [search] = useSearchParams();
  // Back to the post that is open, or to where the open form leads.
  const next = pathname.startsWith("/post/") ? pathname : (search.get("next") ?? undefined);
  return (
    <>
      <NavLink to={loginPath(next)} className="masthead-link">
        Log in
      </NavLink>
      <NavLink to={signUpPath(next)} className="button button-small">
        Sign up
      </NavLink>
    </>
  );
}

function UserLinks() {
  const logOut = useMutation({ mutationFn: useClient().logout });
  return (
    <>
      <NavLink to="/dashboard" className="masthead-link">
        Dashboard
      </NavLink>
      <div>
        <button
          type="button"
          className="masthead-link"
          disabled={logOut.isPending}
          onClick={() => { logOut.mutate(); }}
        >
          Log out
        </button>
        <div role="alert">
          {logOut.isError && <p className="toast">You are still logged in. Try again.</p>}
        </div>
      </div>
    </>
  );
}
