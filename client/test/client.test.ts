import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import { Problem } from "../src/problem.js";
import { ann, annOn, down, FakeEventSource, FakeLocks, FakeServer, json, visitor } from "./fakes.js";

let server: FakeServer;
let client: Client;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
  server = new FakeServer();
  server.answer("GET /session", json(annOn("a")));
  client = createClient({ baseUrl: "http://api.test/" });
});

afterEach(() => {
  client.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const problemOf = (call: Promise<unknown>) =>
  call.then(
    () => { throw new Error("it did not fail"); },
    (error: unknown) => error as Problem,
  );

test("whoever asks, and however often, the server is asked once", async () => {
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
  server.answer("GET /session", failure);
  const failed = await client.refresh();
  expect(failed).toMatchObject({ status: "signed-in", user: ann });
  expect(failed.error).toBeInstanceOf(Problem);
  server.answer("GET /session", json(annOn("a")));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(client.getState()).toMatchObject({ status: "signed-in", error: null });
  expect(server.count("GET /session")).toBe(3);
});

test("a wait that the server asks for is kept", async () => {
  await client.session();
  server.answer("GET /session", () => json({ code: "busy" }, 503, { "retry-after": "30" }));
  await client.refresh();
  await vi.advanceTimersByTimeAsync(29_000);
  expect(server.count("GET /session")).toBe(2);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.count("GET /session")).toBe(3);
});

test("a failure at first leaves open who is logged in", async () => {
  server.answer("GET /session", down);
  expect(await client.session()).toMatchObject({ status: "loading", error: { code: "unreachable", status: 0 } });
});

test("login resolves with the session already set", async () => {
  server.answer("GET /session", json(visitor));
  expect(await client.session()).toMatchObject({ status: "signed-out", reason: "no_cookie" });
  server.answer("POST /login", () => {
    server.answer("GET /session", json(annOn("b")));
    return json(ann);
  });
  const user = await client.login({ username: "Ann", password: "plain tea at dawn" });
  expect(user).toEqual(ann);
  expect(client.getState()).toMatchObject({ status: "signed-in", user: ann, session: { id: "b" } });
  expect(server.bodies).toContain('{"username":"Ann","password":"plain tea at dawn"}');
});

test("a login counts although the session cannot be asked for afterwards", async () => {
  server.answer("POST /login", json(ann));
  server.answer("GET /session", down);
  await client.login({ username: "Ann" });
  expect(client.getState()).toMatchObject({ status: "signed-in", user: ann, session: null });
  expect(client.getState().error?.code).toBe("unreachable");
  server.answer("GET /session", json(annOn("b")));
  await vi.advanceTimersByTimeAsync(4_000);
  expect(client.getState()).toMatchObject({ session: { id: "b" }, error: null });
});

test("a login whose cookie the browser refused fails", async () => {
  server.answer("POST /login", json(ann));
  server.answer("GET /session", json(visitor));
  const problem = await problemOf(client.login({ username: "Ann" }));
  expect(problem).toMatchObject({ code: "not_logged_in", reason: "no_cookie" });
  expect(client.getState().status).toBe("signed-out");
});

test("a refused sign-up says what is wrong with each field", async () => {
  const errors = { password: ["must be 8 to 256 characters"] };
  server.answer("POST /signup", json({ code: "invalid", detail: "Some fields …", errors }, 422));
  const problem = await problemOf(client.signup({ username: "A", email: "", password: "" }));
  expect(problem).toMatchObject({ code: "invalid", status: 422, detail: "Some fields …", errors });
  server.answer("POST /login", json({ code: "too_many_attempts" }, 429, { "retry-after": "60" }));
  const throttled = await problemOf(client.login({ username: "Ann" }));
  expect(throttled).toMatchObject({ code: "too_many_attempts", retryAfter: 60 });
});

test("logging out needs no further request; a log-out that fails changes nothing", async () => {
  await client.session();
  server.answer("DELETE /logout", down);
  expect(await problemOf(client.logout())).toMatchObject({ code: "unreachable" });
  expect(client.getState().status).toBe("signed-in");
  server.answer("DELETE /logout", json({}));
  await client.logout();
  expect(client.getState()).toMatchObject({ status: "signed-out", reason: "logged_out" });
  expect(server.count("GET /session")).toBe(1);
});

test("ending this session logs out, ending another does not", async () => {
  await client.session();
  server.answer("DELETE /sessions/z", json(null, 204));
  server.answer("DELETE /sessions/a", json(null, 204));
  await client.endSession("z");
  expect(client.getState().status).toBe("signed-in");
  await client.endSession("a");
  expect(client.getState().status).toBe("signed-out");
});

test("a 401 of the app's own API asks for the session, once", async () => {
  await client.session();
  server.answer("GET /notes", json({ code: "not_logged_in" }, 401));
  const calls = [1, 2, 3].map(() => client.fetch("http://api.test/notes"));
  expect((await Promise.all(calls)).map((response) => response.status)).toEqual([401, 401, 401]);
  await vi.advanceTimersByTimeAsync(0);
  expect(server.count("GET /session")).toBe(2);
  expect(client.getState().status).toBe("signed-in");
  await vi.advanceTimersByTimeAsync(6_000);
  server.answer("GET /session", json(visitor));
  await client.fetch("http://api.test/notes");
  await vi.waitFor(() => { expect(client.getState().status).toBe("signed-out"); });
  await client.fetch("http://api.test/notes");
  expect(server.count("GET /session")).toBe(3);
});

test("once it is closed it asks no more, until somebody does", async () => {
  await client.session();
  const [stream] = FakeEventSource.opened.slice(-1);
  server.answer("GET /session", down);
  const last = client.refresh();
  client.close();
  await last;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(stream?.readyState).toBe(FakeEventSource.CLOSED);
  expect(server.count("GET /session")).toBe(2);
  server.answer("GET /session", json(annOn("a")));
  expect(await client.refresh()).toMatchObject({ status: "signed-in", error: null });
});

const required = () => json({ code: "reauthentication_required", methods: ["password"] }, 403);

/** Refuses `request` until somebody has proved who they are. */
function guard(request: string): void {
  server.answer(request, required);
  server.answer("POST /reauthenticate", () => {
    server.answer(request, json({ done: true }));
    return json(annOn("a"));
  });
}

test("calls that need a proof wait for the password, and are sent once more", async () => {
  await client.session();
  guard("POST /transfer");
  guard("DELETE /sessions");
  client.onReauthentication(() => undefined);
  const calls = [
    client.fetch("http://api.test/transfer", { method: "POST", body: "all of it" }),
    client.endOtherSessions(),
  ] as const;
  await vi.waitFor(() => { expect(client.getReauthentication()?.methods).toEqual(["password"]); });
  server.answer("POST /reauthenticate", json({ code: "bad_credentials" }, 400));
  const wrong = client.getReauthentication()?.submit("wrong") ?? Promise.resolve();
  expect(await problemOf(wrong)).toMatchObject({ code: "bad_credentials" });
  expect(client.getReauthentication()).not.toBeNull();
  server.answer("POST /reauthenticate", () => {
    server.answer("POST /transfer", json({ done: true }));
    server.answer("DELETE /sessions", json(null, 204));
    return json(annOn("a"));
  });
  await client.getReauthentication()?.submit("plain tea at dawn");
  const [transfer] = await Promise.all(calls);
  expect(await transfer.json()).toEqual({ done: true });
  expect(client.getReauthentication()).toBeNull();
  expect(server.bodies.filter((body) => body === "all of it")).toHaveLength(2);
  expect(server.count("DELETE /sessions")).toBe(2);
});

test("a call whose proof is not given fails as the server said", async () => {
  await client.session();
  guard("DELETE /sessions");
  expect(await problemOf(client.endOtherSessions())).toMatchObject({
    code: "reauthentication_required",
    methods: ["password"],
  });
  const stopListening = client.onReauthentication(() => undefined);
  for (const giveUp of [() => client.getReauthentication()?.cancel(), stopListening]) {
    const call = problemOf(client.endOtherSessions());
    await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
    giveUp();
    expect(await call).toMatchObject({ code: "reauthentication_required" });
    expect(client.getReauthentication()).toBeNull();
  }
  expect(server.count("POST /reauthenticate")).toBe(0);
});

test("a call that waits for a proof does not outlive the session", async () => {
  await client.session();
  guard("DELETE /sessions");
  client.onReauthentication(() => undefined);
  const call = problemOf(client.endOtherSessions());
  await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
  FakeEventSource.last.send({ state: "ended", reason: "revoked" });
  expect((await call).code).toBe("reauthentication_required");
  expect(client.getReauthentication()).toBeNull();
});

test("a second refusal is not retried", async () => {
  await client.session();
  server.answer("DELETE /sessions", required);
  server.answer("POST /reauthenticate", json(annOn("a")));
  client.onReauthentication(() => undefined);
  const call = problemOf(client.endOtherSessions());
  await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
  await client.reauthenticate("plain tea at dawn");
  expect((await call).code).toBe("reauthentication_required");
  expect(server.count("DELETE /sessions")).toBe(2);
});
