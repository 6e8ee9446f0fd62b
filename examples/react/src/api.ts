export interface User {
  id: string;
  username: string;
  email: string | null;
}

/** What the server said went wrong, in words for a person. */
export class Problem extends Error {}

async function send(method: string, path: string, body?: object): Promise<Response> {
  const response = await fetch(`/api${path}`, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : null,
  });
  return response;
}

async function explain(response: Response): Promise<Problem> {
  const problem = (await response.json()) as { detail: string; errors?: Record<string, string[]> };
  const fields = Object.entries(problem.errors ?? {}).map(([field, what]) => `${field} ${what.join(", ")}`);
  return new Problem(fields.length > 0 ? fields.join("; ") : problem.detail);
}

/** Who is logged in; nobody is no error. */
export async function checkLogin(): Promise<User | null> {
  const response = await send("GET", "/checklogin");
  if (response.status === 401) return null;
  if (!response.ok) throw await explain(response);
  return (await response.json()) as User;
}

export async function logIn(username: string, password: string): Promise<User> {
  const response = await send("POST", "/login", { username, password });
  if (!response.ok) throw await explain(response);
  return (await response.json()) as User;
}

export async function signUp(username: string, email: string, password: string): Promise<User> {
  const response = await send("POST", "/signup", { username, email, password });
  if (!response.ok) throw await explain(response);
  return (await response.json()) as User;
}

export async function logOut(): Promise<void> {
  const response = await send("DELETE", "/logout");
  if (!response.ok) throw await explain(response);
}
