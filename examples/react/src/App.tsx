import { useEffect, useState, type FormEvent, type ReactElement } from "react";
import { Link, Navigate, Route, Routes, useNavigate } from "react-router";
import { checkLogin, logIn, logOut, signUp, type User } from "./api";

/** Undefined while nobody knows yet. */
type Known = User | null | undefined;

export function App(): ReactElement {
  const [user, setUser] = useState<Known>();
  const [failure, setFailure] = useState("");
  useEffect(() => {
    checkLogin().then(setUser, (error: unknown) => {
      setFailure(String(error));
    });
  }, []);

  if (failure) return <p role="alert">{failure}</p>;
  if (user === undefined) return <p>One moment…</p>;
  return (
    <>
      <header>
        <Link to="/" className="name">
          Tide tables
        </Link>
        {user ? <LoggedIn user={user} onLogOut={() => setUser(null)} /> : <LoggedOut />}
      </header>
      <main>
        <Routes>
          <Route path="/" element={<Home user={user} />} />
          <Route path="/login" element={<LoginPage user={user} onUser={setUser} />} />
          <Route path="/signup" element={<SignUpPage user={user} onUser={setUser} />} />
          <Route path="/settings" element={user ? <Settings user={user} /> : <Navigate to="/login" replace />} />
          <Route path="*" element={<h1>No such page</h1>} />
        </Routes>
      </main>
    </>
  );
}

function LoggedIn({ user, onLogOut }: { user: User; onLogOut: () => void }): ReactElement {
  const navigate = useNavigate();
  const leave = async () => {
    await logOut();
    onLogOut();
    await navigate("/");
  };
  return (
    <nav>
      <Link to="/settings">{user.username}</Link>
      <button type="button" onClick={() => void leave()}>
        Log out
      </button>
    </nav>
  );
}

function LoggedOut(): ReactElement {
  return (
    <nav>
      <Link to="/login">Log in</Link>
      <Link to="/signup">Sign up</Link>
    </nav>
  );
}

function Home({ user }: { user: User | null }): ReactElement {
  return (
    <>
      <h1>High water</h1>
      <p>{user ? `Your harbours, ${user.username}:` : "Log in to choose your own harbours."}</p>
      <table>
        <tbody>
          {["Brest 04:12", "Dover 11:38", "Cuxhaven 01:07"].map((line) => {
            const [harbour, time] = line.split(" ");
            return (
              <tr key={harbour}>
                <th scope="row">{harbour}</th>
                <td>{time}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </>
  );
}

function Settings({ user }: { user: User }): ReactElement {
  return (
    <>
      <h1>Settings</h1>
      <dl>
        <dt>Username</dt>
        <dd>{user.username}</dd>
        <dt>E-mail</dt>
        <dd>{user.email ?? "none"}</dd>
      </dl>
    </>
  );
}

interface FormProps {
  user: User | null;
  onUser: (user: User) => void;
}

function LoginPage({ user, onUser }: FormProps): ReactElement {
  const submit = async (fields: FormData) => {
    onUser(await logIn(text(fields, "username"), text(fields, "password")));
  };
  return <AccountForm title="Log in" user={user} submit={submit} isNew={false} />;
}

function SignUpPage({ user, onUser }: FormProps): ReactElement {
  const submit = async (fields: FormData) => {
    onUser(await signUp(text(fields, "username"), text(fields, "email"), text(fields, "password")));
  };
  return <AccountForm title="Sign up" user={user} submit={submit} isNew />;
}

interface AccountFormProps {
  title: string;
  user: User | null;
  submit: (fields: FormData) => Promise<void>;
  isNew: boolean;
}

function AccountForm({ title, user, submit, isNew }: AccountFormProps): ReactElement {
  const [problem, setProblem] = useState("");
  if (user) return <Navigate to="/settings" replace />;
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    submit(new FormData(event.currentTarget)).catch((error: unknown) => {
      setProblem(error instanceof Error ? error.message : String(error));
    });
  };
  return (
    <form onSubmit={onSubmit} className="account">
      <h1>{title}</h1>
      <label>
        Username
        <input name="username" autoComplete="username" required />
      </label>
      {isNew && (
        <label>
          E-mail
          <input name="email" type="email" autoComplete="email" required />
        </label>
      )}
      <label>
        Password
        <input name="password" type="password" autoComplete={isNew ? "new-password" : "current-password"} required />
      </label>
      {problem && <p role="alert">{problem}</p>}
      <button type="submit">{title}</button>
    </form>
  );
}

function text(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}
