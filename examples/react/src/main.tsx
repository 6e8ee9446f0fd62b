import { createClient, type Problem, type User } from "@handstamp/client";
import { ClientProvider, Show, useClient, useSession } from "@handstamp/client/react";
import { useFactors, useLogin } from "@handstamp/client/react/login";
import { useState, type FormEvent, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Navigate, Route, Routes } from "react-router";
import "./style.css";

function App() {
  const { user, status, error } = useSession();
  const { signup, logout } = useClient();
  if (status === "loading") return <p role="status">{error?.detail ?? "One moment…"}</p>;
  const forVisitors = (form: ReactNode) => (user ? <Navigate to="/settings" replace /> : form);
  return (
    <>
      <header>
        <Link to="/" className="name">Tide tables</Link>
        <Show when="signed-out"><Link to="/login">Log in</Link><Link to="/signup">Sign up</Link></Show>
        <Show when="signed-in"><Link to="/settings">{user?.username}</Link><button onClick={() => void logout()}>Log out</button></Show>
      </header>
      <Routes>
        <Route path="/" element={<main><h1>High water</h1><p>Brest 04:12 · Dover 11:38 · Cuxhaven 01:07</p></main>} />
        <Route path="/login" element={forVisitors(<LoginForm />)} />
        <Route path="/signup" element={forVisitors(<SignUpForm send={signup} />)} />
        <Route path="/settings" element={user ? <Settings user={user} /> : <Navigate to="/login" replace />} />
      </Routes>
    </>
  );
}

/** By password, by passkey, and with the code of an app where the account has one. */
function LoginForm() {
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

function SignUpForm({ send }: { send: (account: FormData) => Promise<unknown> }) {
  const [problem, setProblem] = useState<Problem>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    send(new FormData(event.currentTarget)).catch(setProblem);
  };
  return (
    <form onSubmit={submit} className="account">
      <h1>Sign up</h1>
      <label>Username<input name="username" autoComplete="username" required /></label>
      <label>E-mail<input name="email" type="email" autoComplete="email" required /></label>
      <label>Password<input name="password" type="password" autoComplete="new-password" required /></label>
      {problem && <p role="alert">{Object.values(problem.errors).join("; ") || problem.detail}</p>}
      <button>Sign up</button>
    </form>
  );
}

function Settings({ user }: { user: User }) {
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

createRoot(document.body.appendChild(document.createElement("div"))).render(
  <ClientProvider client={createClient({ baseUrl: "/api" })}><BrowserRouter><App /></BrowserRouter></ClientProvider>,
);
