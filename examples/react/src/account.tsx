import type { Problem, User } from "@handstamp/client";
import { useFactors, useLogin } from "@handstamp/client/react/login";
import { useState, type FormEvent } from "react";

/** By password, by passkey, and with the code of an app where the account has one. */
export function LoginForm() {
  const { step, error, pending, canUsePasskey, login, loginWithPasskey, loginWithCode } = useLogin({ autofill: true });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    void (step === "password" ? login(fields) : loginWithCode(String(fields.get("code"))));
  };
  return (
    <form onSubmit={submit} className="account">
      <h1>Log in</h1>
      {step === "password" ? (
        <>
          <label>Username<input name="username" autoComplete="username webauthn" required /></label>
          <label>Password<input name="password" type="password" autoComplete="current-password" required /></label>
        </>
      ) : (
        <label>Code of your app<input name="code" inputMode="numeric" autoComplete="one-time-code" required /></label>
      )}
      {error && <p role="alert">{error.detail}</p>}
      <button disabled={pending !== null}>Log in</button>
      {step === "password" && canUsePasskey && <button type="button" onClick={() => void loginWithPasskey()}>Use a passkey</button>}
    </form>
  );
}

export function Settings({ user }: { user: User }) {
  const { addPasskey } = useFactors();
  const [said, setSaid] = useState("");
  const add = () => addPasskey().then(({ name }) => setSaid(`Added: ${name}`), ({ detail }: Problem) => setSaid(detail));
  return (
    <main>
      <h1>Settings</h1>
      <p>{user.username}, {user.email}</p>
      <p><button onClick={() => void add()}>Add a passkey</button> <span role="status">{said}</span></p>
    </main>
  );
}
