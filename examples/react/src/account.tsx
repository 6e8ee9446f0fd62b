import type { Problem, User } from "@handstamp/client";
import { useReauthentication } from "@handstamp/client/react";
import { useFactors, useLogin, type LoginProgress } from "@handstamp/client/react/login";
import { useState, type FormEvent } from "react";

/** By password or by passkey; then with a code, where the account has an app. */
export function LoginForm() {
  const progress = useLogin({ autofill: true });
  if (progress.step === "second_factor") return <SecondStep {...progress} />;
  const { error, pending, canUsePasskey, login, loginWithPasskey } = progress;
  return (
    <form onSubmit={sendTo(login)} className="account">
      <h1>Log in</h1>
      <label>Username<input name="username" autoComplete="username webauthn" required /></label>
      <label>Password<input name="password" type="password" autoComplete="current-password" required /></label>
      {error && <p role="alert">{error.detail}</p>}
      <button disabled={pending !== null}>Log in</button>
      {canUsePasskey && <button type="button" disabled={pending !== null} onClick={() => void loginWithPasskey()}>Use a passkey</button>}
    </form>
  );
}

function SecondStep({ methods, error, pending, loginWithCode, loginWithRecoveryCode, restart }: LoginProgress) {
  const [isRecovery, setIsRecovery] = useState(false);
  const send = isRecovery ? loginWithRecoveryCode : loginWithCode;
  return (
    <form onSubmit={sendTo((fields) => send(String(fields.get("code"))))} className="account">
      <h1>One more step</h1>
      {/* What was typed is no code of the other kind. */}
      <label key={String(isRecovery)}>
        {isRecovery ? "Recovery code" : "Code of your app"}
        <input name="code" inputMode={isRecovery ? "text" : "numeric"} autoComplete="one-time-code" autoFocus required />
      </label>
      {error && <p role="alert">{error.detail}</p>}
      <button disabled={pending !== null}>Log in</button>
      {methods.includes("recovery_code") && (
        <button type="button" onClick={() => setIsRecovery(!isRecovery)}>Use {isRecovery ? "the app" : "a recovery code"}</button>
      )}
      <button type="button" disabled={pending !== null} onClick={restart}>Back to the password</button>
    </form>
  );
}

export function Settings({ user }: { user: User }) {
  const { addPasskey } = useFactors();
  const [said, setSaid] = useState("");
  const request = useReauthentication();
  const add = () => addPasskey().then(({ name }) => setSaid(`Added: ${name}`), ({ detail }: Problem) => setSaid(detail));
  return (
    <main>
      <h1>Settings</h1>
      <p>{user.username}, {user.email}</p>
      <p><button onClick={() => void add()}>Add a passkey</button> <span role="status">{said}</span></p>
      {request && <ProofDialog {...request} />}
    </main>
  );
}

/** While a call waits until the user has proved who they are. */
function ProofDialog({ methods, submit, cancel }: NonNullable<ReturnType<typeof useReauthentication>>) {
  const { reauthenticateWithPasskey } = useFactors();
  const [error, setError] = useState("");
  const prove = (proof: Promise<void>) => proof.catch(({ detail }: Problem) => setError(detail));
  return (
    <dialog open aria-label="Confirm that it is you">
      <form onSubmit={sendTo((fields) => prove(submit(String(fields.get("password")))))} className="account">
        {methods.includes("password") && (
          <>
            <label>Your password<input name="password" type="password" autoComplete="current-password" autoFocus required /></label>
            <button>Go on</button>
          </>
        )}
        {methods.includes("passkey") && (
          <button type="button" onClick={() => void prove(reauthenticateWithPasskey())}>Use a passkey</button>
        )}
        <button type="button" onClick={cancel}>Cancel</button>
        {error && <p role="alert">{error}</p>}
      </form>
    </dialog>
  );
}

const sendTo = (send: (fields: FormData) => Promise<void>) => (event: FormEvent<HTMLFormElement>) => {
  event.preventDefault();
  void send(new FormData(event.currentTarget));
};
