import { expect, test, vi } from "vitest";
import { createClient } from "../src/client.js";
import { Problem } from "../src/problem.js";
import { ann, annOn, ben, benOn, down, FakeEventSource, json, unknown, visitor } from "./fakes.js";
import { client, guard, pending, problemOf, server } from "./setup.js";

test("however many callers ask, and however often, the server is asked once", async () => {
  client.subscribe(() => undefined);
  client.subscribe(() => undefined);
  const states = await Promise.all([client.session(), client.session()]);
  expect(states[0]).toMatchObject({ status: "signed-in", user: ann, session: { id: "a" }, error: null });
  expect((await client.session()).status).toBe("signed-in");
  expect(server.count("GET /session")).toBe(1);
});

test.each([
  ["429", () => json({ code: "too_many_requests" }, 429)],
  ["500", () => json({ code: "internal_server_error" }, 500)],
  ["a gateway's page", () => new Response("<h1>Bad gateway</h1>", { status: 502 })],
  ["somebody else's page", () => new Response("<h1>Log in to the hotel's network</h1>")],
  ["somebody else's JSON", () => json({})],
  ["a dead network", down],
])("%s logs nobody out, and is tried again", async (_, failure) => {
  await client.session();
  server.respond("GET /session", failure);
  const failed = await client.refresh();
  expect(failed).toMatchObject({ status: "signed-in", user: ann });
  expect(failed.error).toBeInstanceOf(Problem);
  server.respond("GET /session", json(annOn("a")));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.getState()).toMatchObject({ status: "signed-in", error: null });
  expect(server.count("GET /session")).toBe(3);
});

test("a wait that the server asks for is kept", async () => {
  await client.session();
  server.respond("GET /session", () => json({ code: "busy" }, 503, { "retry-after": "30" }));
  await client.refresh();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(server.count("GET /session")).toBe(2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.count("GET /session")).toBe(3);
});

test("a failure at first leaves open who is logged in, and session() waits until it is known", async () => {
  server.respond("GET /session", down);
  const known = vi.fn();
  const session = client.session().then(known);
  await vi.waitFor(() => { expect(client.getState().error).toMatchObject({ code: "unreachable", status: 0 }); });
  const later = client.session().then(known);
  await vi.advanceTimersByTimeAsync(0);
  expect(client.getState().status).toBe("loading");
  expect(known).not.toHaveBeenCalled();
  server.respond("GET /session", json(annOn("a")));
  await vi.advanceTimersByTimeAsync(10_000);
  await Promise.all([session, later]);
  expect(known).toHaveBeenCalledWith(expect.objectContaining({ status: "signed-in", user: ann }));
});

test("login resolves with the session already set", async () => {
  server.respond("GET /session", json(visitor));
  expect(await client.session()).toMatchObject({ status: "signed-out", reason: "no_cookie" });
  server.respond("POST /login", () => {
    server.respond("GET /session", json(annOn("b")));
    return json(ann);
  });
  const user = await client.login({ username: "Ann", password: "plain tea at dawn" });
  expect(user).toEqual(ann);
  expect(client.getState()).toMatchObject({ status: "signed-in", user: ann, session: { id: "b" } });
  expect(server.bodies).toContain('{"username":"Ann","password":"plain tea at dawn"}');
});

test("a login counts although the session cannot be asked for afterwards", async () => {
  server.respond("POST /login", json(ann));
  server.respond("GET /session", down);
  await client.login({ username: "Ann" });
  expect(client.getState()).toMatchObject({ status: "signed-in", user: ann, session: null });
  expect(client.getState().error?.code).toBe("unreachable");
  server.respond("GET /session", json(annOn("b")));
  await vi.advanceTimersByTimeAsync(4_000);
  expect(client.getState()).toMatchObject({ session: { id: "b" }, error: null });
});

test("a login whose cookie the browser refused fails", async () => {
  server.respond("POST /login", json(ann));
  server.respond("GET /session", json(visitor));
  const problem = await problemOf(client.login({ username: "Ann" }));
  expect(problem).toMatchObject({ code: "not_logged_in", reason: "no_cookie" });
  expect(client.getState().status).toBe("signed-out");
});

const statuses = () => {
  const shown: string[] = [];
  client.subscribe(() => { shown.push(client.getState().status); });
  return shown;
};

test.each(["before the response", "while the session is asked for"])(
  "a login over another session is not undone by the end of that one, %s",
  async (when) => {
    await client.session();
    const shown = statuses();
    const stream = FakeEventSource.last;
    stream.send({ state: "active" });
    const login = pending();
    const session = pending();
    server.respond("POST /login", login.response);
    server.respond("GET /session", session.response);
    const user = client.login({ username: "Ben" });
    await vi.waitFor(() => { expect(server.count("POST /login")).toBe(1); });
    if (when === "before the response") stream.send({ state: "ended", reason: "logged_out" });
    login.arrive(json(ben));
    await vi.waitFor(() => { expect(server.count("GET /session")).toBe(2); });
    if (when !== "before the response") stream.send({ state: "ended", reason: "logged_out" });
    server.respond("GET /session", json(benOn("b")));
    session.arrive(json(benOn("b")));
    expect(await user).toEqual(ben);
    expect(client.getState()).toMatchObject({ status: "signed-in", user: ben, session: { id: "b" } });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(client.getState().user).toEqual(ben);
    expect(shown.filter((status) => status !== "signed-in")).toEqual([]);
  },
);

test("a login over another session fails when the browser refuses the cookie", async () => {
  await client.session();
  server.respond("POST /login", json(ben));
  server.respond("GET /session", json(unknown));
  const problem = await problemOf(client.login({ username: "Ben" }));
  expect(problem.code).toBe("not_logged_in");
  await vi.advanceTimersByTimeAsync(1_000);
  await vi.waitFor(() => { expect(client.getState()).toMatchObject({ status: "signed-out", reason: "unknown_session" }); });
});

test("a request with the cookie from before a proof logs nobody out", async () => {
  await client.session();
  const shown = statuses();
  guard("DELETE /sessions");
  client.onReauthentication(() => undefined);
  const call = client.endOtherSessions();
  await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
  const proof = pending();
  server.respond("POST /reauthenticate", proof.response);
  const submitted = client.getReauthentication()?.submit("plain tea at dawn");
  await vi.waitFor(() => { expect(server.count("POST /reauthenticate")).toBe(1); });
  // The server has done it, and the browser does not have the cookie yet.
  server.respond("GET /notes", json({ code: "not_logged_in" }, 401));
  server.respond("GET /session", json(unknown));
  await client.fetch("http://api.test/notes");
  await vi.waitFor(() => { expect(server.count("GET /session")).toBe(2); });
  await client.refresh();
  expect(client.getState().status).toBe("signed-in");
  server.respond("DELETE /sessions", json(null, 204));
  server.respond("GET /session", json(annOn("a")));
  proof.arrive(json(annOn("a")));
  await Promise.all([submitted, call]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(shown.filter((status) => status !== "signed-in")).toEqual([]);
});

test("a session that ends during a refused proof is asked for after it", async () => {
  await client.session();
  const proof = pending();
  server.respond("POST /reauthenticate", proof.response);
  server.respond("GET /session", json(unknown));
  const refused = problemOf(client.reauthenticate("wrong"));
  await client.refresh();
  expect(client.getState().status).toBe("signed-in");
  proof.arrive(json({ code: "bad_credentials" }, 400));
  expect((await refused).code).toBe("bad_credentials");
  await vi.advanceTimersByTimeAsync(1_000);
  await vi.waitFor(() => { expect(client.getState().status).toBe("signed-out"); });
});

test("of two calls at once that replace the session the last to end counts", async () => {
  await client.session();
  const proofs = [pending(), pending()] as const;
  let calls = 0;
  server.respond("POST /reauthenticate", () => proofs[calls++ ? 1 : 0].response());
  const [first, second] = [1, 2].map(() => problemOf(client.reauthenticate("plain tea at dawn")));
  await vi.waitFor(() => { expect(server.count("POST /reauthenticate")).toBe(2); });
  server.respond("GET /session", json(unknown));
  proofs[1].arrive(json({ code: "too_many_attempts" }, 429));
  await second;
  await client.refresh();
  expect(client.getState().status).toBe("signed-in");
  proofs[0].arrive(json({ code: "too_many_attempts" }, 429));
  await first;
  await client.refresh();
  expect(client.getState().status).toBe("signed-out");
});

test("logging out during a proof is not held back by it", async () => {
  await client.session();
  server.respond("POST /reauthenticate", pending().response);
  server.respond("DELETE /logout", json({}));
  void client.reauthenticate("plain tea at dawn");
  await client.logout();
  expect(client.getState()).toMatchObject({ status: "signed-out", reason: "logged_out" });
});

test("a refused sign-up says what is wrong with each field", async () => {
  const errors = { password: ["must be 8 to 256 characters"] };
  server.respond("POST /signup", json({ code: "invalid", detail: "Some fields …", errors }, 422));
  const problem = await problemOf(client.signup({ username: "A", email: "", password: "" }));
  expect(problem).toMatchObject({ code: "invalid", status: 422, detail: "Some fields …", errors });
  server.respond("POST /login", json({ code: "too_many_attempts" }, 429, { "retry-after": "60" }));
  const throttled = await problemOf(client.login({ username: "Ann" }));
  expect(throttled).toMatchObject({ code: "too_many_attempts", retryAfter: 60 });
});

test("logging out needs no further request; a log-out that fails changes nothing", async () => {
  await client.session();
  server.respond("DELETE /logout", down);
  expect(await problemOf(client.logout())).toMatchObject({ code: "unreachable" });
  expect(client.getState().status).toBe("signed-in");
  server.respond("DELETE /logout", json({}));
  await client.logout();
  expect(client.getState()).toMatchObject({ status: "signed-out", reason: "logged_out" });
  expect(server.count("GET /session")).toBe(1);
});

test("ending this session logs out, ending another does not", async () => {
  await client.session();
  server.respond("DELETE /sessions/z", json(null, 204));
  server.respond("DELETE /logout", json({}));
  await client.endSession("z");
  expect(client.getState().status).toBe("signed-in");
  await client.endSession("a");
  expect(client.getState()).toMatchObject({ status: "signed-out", reason: "logged_out" });
  expect(server.count("DELETE /sessions/a")).toBe(0);
});

test("a 401 of the app's own API asks for the session, once", async () => {
  await client.session();
  server.respond("GET /notes", json({ code: "not_logged_in" }, 401));
  const calls = [1, 2, 3].map(() => client.fetch("http://api.test/notes"));
  expect((await Promise.all(calls)).map((response) => response.status)).toEqual([401, 401, 401]);
  await vi.advanceTimersByTimeAsync(0);
  expect(server.count("GET /session")).toBe(2);
  expect(client.getState().status).toBe("signed-in");
  await vi.advanceTimersByTimeAsync(6_000);
  server.respond("GET /session", json(visitor));
  await client.fetch("http://api.test/notes");
  await vi.waitFor(() => { expect(client.getState().status).toBe("signed-out"); });
  await client.fetch("http://api.test/notes");
  expect(server.count("GET /session")).toBe(3);
});

test("once it is closed it asks no more, until somebody does", async () => {
  await client.session();
  const [stream] = FakeEventSource.opened.slice(-1);
  server.respond("GET /session", down);
  const last = client.refresh();
  client.close();
  await last;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(stream?.readyState).toBe(FakeEventSource.CLOSED);
  expect(server.count("GET /session")).toBe(2);
  server.respond("GET /session", json(annOn("a")));
  expect(await client.refresh()).toMatchObject({ status: "signed-in", error: null });
});

test("a missing proof of the device logs nobody out, in no tab, and is tried again later and later", async () => {
  await client.session();
  const other = createClient({ baseUrl: "http://api.test/" });
  await other.session();
  server.respond("GET /session", json({ ...visitor, reason: "device_proof_missing" }));
  const before = server.count("GET /session");
  const stream = FakeEventSource.last;
  const failed = await client.refresh();
  expect(failed).toMatchObject({ status: "signed-in", user: ann, error: { status: 401, reason: "device_proof_missing" } });
  expect(stream.readyState).not.toBe(FakeEventSource.CLOSED);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(server.count("GET /session") - before).toBeGreaterThan(3);
  expect(server.count("GET /session") - before).toBeLessThan(8);
  expect(client.getState().user).toEqual(ann);
  expect(other.getState()).toMatchObject({ status: "signed-in", user: ann });
  server.respond("GET /session", json(annOn("a")));
  await vi.advanceTimersByTimeAsync(32_000);
  expect(client.getState()).toMatchObject({ status: "signed-in", error: null });
  other.close();
});

test("a page that has shown nobody shows nobody where the proof of the device is missing", async () => {
  server.respond("GET /session", json({ ...visitor, reason: "device_proof_missing" }));
  expect(await client.session()).toMatchObject({ status: "signed-out", reason: "device_proof_missing", error: null });
});
