/** Links from mails, and the end of an account. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import { Problem } from "../src/problem.js";
import { ann, annOn, FakeEventSource, FakeLocks, FakeServer, json, visitor } from "./fakes.js";

let server: FakeServer;
let client: Client;

beforeEach(() => {
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
  server = new FakeServer();
  server.respond("GET /session", json(annOn("a")));
  client = createClient({ baseUrl: "http://api.test" });
});

afterEach(() => {
  client.close();
  vi.unstubAllGlobals();
});

const gone = { ...visitor, reason: "unknown_session" };
const accepted = () => new Response(null, { status: 202 });

/** Somebody who is not logged in. */
async function asVisitor(): Promise<void> {
  server.respond("GET /session", json(visitor));
  await client.session();
}

test("a sign-up that waits for its address says so, and logs nobody in", async () => {
  await asVisitor();
  server.respond("POST /signup", json({ next: "verify_email" }, 202));
  const account = { username: "Ann", email: "ann@example.com", password: "plain tea at dawn" };
  expect(await client.signup(account)).toEqual({ next: "verify_email" });
  expect(client.getState()).toMatchObject({ status: "signed-out", reason: "no_cookie" });
  expect(server.count("GET /session")).toBe(1);
});

test("a login before the address is verified, and a server without mail, are problems with a code", async () => {
  await asVisitor();
  const detail = "Open the link …";
  server.respond("POST /login", json({ code: "email_not_verified", detail }, 403));
  await expect(client.login({ username: "Ann" })).rejects.toMatchObject({ code: "email_not_verified", detail });
  server.respond("POST /password/forgot", json({ code: "mail_not_configured" }, 503));
  const forgot = client.forgotPassword("ann@example.com");
  await expect(forgot).rejects.toBeInstanceOf(Problem);
  await expect(forgot).rejects.toMatchObject({ code: "mail_not_configured", status: 503 });
});

test("a forgotten password takes one request, also where nobody is logged in", async () => {
  await asVisitor();
  server.respond("POST /password/forgot", accepted);
  await client.forgotPassword("ann@example.com");
  server.respond("POST /password/reset", json(null, 204));
  await client.resetPassword({ token: "t", new_password: "black coffee by noon" });
  expect(server.requests).toEqual(["GET /session", "POST /password/forgot", "POST /password/reset"]);
  expect(server.bodies.slice(1)).toEqual([
    '{"email":"ann@example.com"}',
    '{"token":"t","new_password":"black coffee by noon"}',
  ]);
  expect(client.getState().reason).toBe("no_cookie");
});

test("a reset by the user who is logged in logs them out, and says why", async () => {
  await client.session();
  server.respond("POST /password/reset", () => {
    server.respond("GET /session", json(gone));
    return json(null, 204);
  });
  await client.resetPassword({ token: "t", new_password: "black coffee by noon" });
  expect(client.getState()).toMatchObject({ status: "signed-out", reason: "password_changed" });
  // What comes later has reasons of its own.
  server.respond("GET /session", json(visitor));
  expect((await client.refresh()).reason).toBe("no_cookie");
});

test("a reset of somebody else's password, and one that is refused, change nothing", async () => {
  await client.session();
  server.respond("POST /password/reset", json(null, 204));
  await client.resetPassword({ token: "t", new_password: "black coffee by noon" });
  expect(client.getState()).toMatchObject({ status: "signed-in", user: ann });
  server.respond("POST /password/reset", json({ code: "bad_token" }, 400));
  const reset = client.resetPassword({ token: "t", new_password: "black coffee by noon" });
  await expect(reset).rejects.toMatchObject({ code: "bad_token" });
  expect(client.getState().status).toBe("signed-in");
});

test("once an address is verified or changed, the user is known anew", async () => {
  await client.session();
  expect(client.getState().user?.email_verified).toBe(false);
  const user = { ...ann, email: "new@example.com", email_verified: true };
  server.respond("POST /email/verify", () => {
    server.respond("GET /session", json({ ...annOn("a"), user }));
    return json(null, 204);
  });
  await client.verifyEmail("t");
  expect(client.getState().user).toEqual(user);
  expect(server.bodies).toContain('{"token":"t"}');
});

test("a link is used without a request for the session where nobody is logged in or asks", async () => {
  server.respond("POST /email/verify", json(null, 204));
  await client.verifyEmail("t");
  expect(server.requests).toEqual(["POST /email/verify"]);
  await asVisitor();
  await client.verifyEmail("t");
  expect(server.count("GET /session")).toBe(1);
});

test("asking for the link again learns when there is nothing to verify any more", async () => {
  await client.session();
  server.respond("POST /email/verification", () => {
    server.respond("GET /session", json({ ...annOn("a"), user: { ...ann, email_verified: true } }));
    return json(null, 204);
  });
  await client.requestVerification();
  expect(client.getState().user?.email_verified).toBe(true);
});

test("a change of the address waits for the password", async () => {
  await client.session();
  client.onReauthentication(() => undefined);
  server.respond("POST /email", json({ code: "reauthentication_required", methods: ["password"] }, 403));
  const change = client.changeEmail("new@example.com");
  await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
  server.respond("POST /reauthenticate", () => {
    server.respond("POST /email", accepted);
    return json(annOn("a"));
  });
  await client.getReauthentication()?.submit("plain tea at dawn");
  await change;
  expect(server.bodies.filter((body) => body === '{"email":"new@example.com"}')).toHaveLength(2);
  expect(client.getState().user).toEqual(ann);
});

test("deleting the account logs out, and a refusal does not", async () => {
  await client.session();
  server.respond("DELETE /account", json({ code: "reauthentication_required", methods: ["password"] }, 403));
  await expect(client.deleteAccount()).rejects.toMatchObject({ code: "reauthentication_required" });
  expect(client.getState().status).toBe("signed-in");
  server.respond("DELETE /account", json(null, 204));
  await client.deleteAccount();
  expect(client.getState()).toMatchObject({ status: "signed-out", reason: "deleted" });
  expect(server.count("GET /session")).toBe(1);
});
