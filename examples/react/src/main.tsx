import { createClient, type Problem } from "@handstamp/client";
import { ClientProvider, Show, useClient, useSession } from "@handstamp/client/react";
import { useState, type FormEvent, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Navigate, Route, Routes } from "react-router";
import { LoginForm, Settings } from "./account";
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

createRoot(document.body.appendChild(document.createElement("div"))).render(
  <ClientProvider client={createClient({ baseUrl: "/api" })}><BrowserRouter><App /></BrowserRouter></ClientProvider>,
);
