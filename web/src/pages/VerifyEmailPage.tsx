import { useClient, useSession } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { Link, useSearchParams } from "react-router";
import { isProblem } from "../api/problem";
import { SendVerification } from "../components/account/SendVerification";
import { Outcome } from "../components/entrance/Outcome";
import { ErrorNotice } from "../components/shared/ErrorNotice";
import { spendToken, useLinkToken } from "../lib/linkToken";
import { loginPath } from "../lib/next";

/** What the links lead to that verify an address, change it, or take a change back (`?undo`). */
export function VerifyEmailPage() {
  const [search] = useSearchParams();
  const isUndo = search.has("undo");
  const token = useLinkToken();
  const { mutate, variables, isPending, isSuccess, error } = useMutation({
    mutationFn: useClient().verifyEmail,
  });
  useEffect(() => {
    if (!token || isUndo) return;
    // Spent, so that it is sent once, however often this runs.
    const mine = spendToken();
    if (mine) mutate(mine);
  }, [token, isUndo, mutate]);

  if (token && isUndo) return <AskUndo onConfirm={() => { mutate(spendToken()); }} />;
  if (token || isPending) {
    // No taller than what comes, so that the footer stays.
    return (
      <p role="status" aria-busy="true" className="soft">
        One moment…
      </p>
    );
  }
  if (isSuccess) return isUndo ? <Undone /> : <Verified />;
  if (isProblem(error, "bad_token")) return isUndo ? <TooLate /> : <Refused />;
  if (error) {
    const retry = () => { mutate(variables); };
    return <ErrorNotice isPage title="The link was not used yet" error={error} retry={retry} />;
  }
  return <NoLink />;
}

function AskUndo({ onConfirm }: { onConfirm: () => void }) {
  return (
    <Outcome title="Take the change back?">
      <p>
        Your account gets the address back that this link was sent to, and every device is logged out
        of it. Do so if it was not you who wanted another address.
      </p>
      <div className="buttons">
        <button type="button" className="button" onClick={onConfirm}>
          Take it back
        </button>
        <Link to="/" className="button button-second">
          Leave it as it is
        </Link>
      </div>
    </Outcome>
  );
}

function Undone() {
  return (
    <Outcome title="Your address is back">
      <p>
        Every device was logged out of your account. The person who asked for the change was logged in to it,
        so choose a new password now.
      </p>
      <div className="buttons">
        <Link to="/forgot-password" className="button">
          Choose a new password
        </Link>
      </div>
    </Outcome>
  );
}

function TooLate() {
  return (
    <Outcome title="This link does not work any more">
      <p>
        The change was taken back already, or is longer ago than 48 hours. If somebody else has your
        account, ask the people who run this site.
      </p>
      <div className="buttons">
        <ToLogin>Log in</ToLogin>
      </div>
    </Outcome>
  );
}

function Verified() {
  const { user } = useSession();
  return (
    <Outcome title="Your e-mail address is verified">
      {user ? (
        <>
          <p>
            {user.email_verified ? (
              <AddressOf username={user.username} email={user.email} />
            ) : (
              <>It is the address of another account than <strong>{user.username}</strong>.</>
            )}
          </p>
          <ToDashboard />
        </>
      ) : (
        <>
          <p>You can log in now.</p>
          <ToLogin>Log in</ToLogin>
        </>
      )}
    </Outcome>
  );
}

function Refused() {
  const { user } = useSession();
  return (
    <Outcome title="This link does not work any more">
      <p>It was used already, has expired, or a later one has replaced it.</p>
      {user ? (
        <OwnAddress />
      ) : (
        <>
          <p>Log in: if your address is not verified yet, you can have another link sent.</p>
          <ToLogin>Log in</ToLogin>
        </>
      )}
    </Outcome>
  );
}

/** Without a token: it was opened by hand, or loaded again. */
function NoLink() {
  const { user } = useSession();
  return (
    <Outcome title="Open the link in our mail">
      <p>
        It leads here, and we keep it out of the address bar: if it was not used yet, open it once more
        from the mail.
      </p>
      {user ? <OwnAddress /> : <ToLogin>Log in</ToLogin>}
    </Outcome>
  );
}

/** How things stand with the address of the user who is logged in. */
function OwnAddress() {
  const { user } = useSession();
  if (!user?.email) return <ToDashboard />;
  if (!user.email_verified) return <SendVerification />;
  return (
    <>
      <p>
        <AddressOf username={user.username} email={user.email} />
      </p>
      <ToDashboard />
    </>
  );
}

function AddressOf({ username, email }: { username: string; email: string | null }) {
  return (
    <>
      The address of your account <strong>{username}</strong> is <strong>{email}</strong>, and it is
      verified.
    </>
  );
}

function ToLogin({ children }: { children: ReactNode }) {
  return (
    <Link to={loginPath("/dashboard")} className="button">
      {children}
    </Link>
  );
}

function ToDashboard() {
  return (
    <Link to="/dashboard" className="button">
      To your dashboard
    </Link>
  );
}
