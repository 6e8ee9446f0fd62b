import { createClient, type Problem } from "@handstamp/client";
import { ClientProvider, Show, useClient, useSession } from "@handstamp/client/react";
import { useState, type FormEvent, type ReactNode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Navigate, Route, Routes } from "react-router";
import "./style.css";

function App() {
  const { user, status, error } = useSession();
  const { login, signup, logout } = useClient();
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
        <Route path="/login" element={forVisitors(<AccountForm key="login" title="Log in" send={login} />)} />
        <Route path="/signup" element={forVisitors(<AccountForm key="signup" title="Sign up" send={signup} isNew />)} />
        <Route path="/settings" element={user ? <main><h1>Settings</h1>{user.username}, {user.email}</main> : <Navigate to="/login" replace />} />
      </Routes>
    </>
  );
}

function AccountForm({ title, send, isNew }: { title: string; send: (account: FormData) => Promise<unknown>; isNew?: true }) {
  const [problem, setProblem] = useState<Problem>();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    send(new FormData(event.currentTarget)).catch(setProblem);
  };
  return (
    <form onSubmit={submit} className="account">
      <h1>{title}</h1>
      <label>Username<input name="username" autoComplete="username" required /></label>
      {isNew && <label>E-mail<input name="email" type="email" autoComplete="email" required /></label>}
      <label>Password<input name="password" type="password" autoComplete={isNew ? "new-password" : "current-password"} required /></label>
      {problem && <p role="alert">{Object.values(problem.errors).join("; ") || problem.detail}</p>}
      <button>{title}</button>
    </form>
  );
}

createRoot(document.body.appendChild(document.createElement("div"))).render(
  <ClientProvider client={createClient({ baseUrl: "/api" })}><BrowserRouter><App /></BrowserRouter></ClientProvider>,
);
