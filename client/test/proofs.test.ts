/** Calls that wait for a proof of who the user is. */
import { expect, test, vi } from "vitest";
import { annOn, benOn, FakeEventSource, json } from "./fakes.js";
import { client, guard, pending, problemOf, required, server } from "./setup.js";

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
  server.respond("POST /reauthenticate", json({ code: "bad_credentials" }, 400));
  const wrong = client.getReauthentication()?.submit("wrong") ?? Promise.resolve();
  expect(await problemOf(wrong)).toMatchObject({ code: "bad_credentials" });
  expect(client.getReauthentication()).not.toBeNull();
  server.respond("POST /reauthenticate", () => {
    server.respond("POST /transfer", json({ done: true }));
    server.respond("DELETE /sessions", json(null, 204));
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

test("a call that waits for a proof is not sent with somebody else's", async () => {
  await client.session();
  guard("POST /transfer");
  client.onReauthentication(() => undefined);
  const transfer = () => client.fetch("http://api.test/transfer", { method: "POST", body: "all of it" });
  const call = transfer();
  await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
  const late = pending();
  server.respond("POST /transfer", late.response);
  const lateCall = transfer();
  await vi.waitFor(() => { expect(server.count("POST /transfer")).toBe(2); });
  // Ben logs in over Ann's session, in another tab.
  server.respond("GET /session", json(benOn("b")));
  await client.refresh();
  expect((await call).status).toBe(403);
  expect(client.getReauthentication()).toBeNull();
  late.arrive(required());
  expect((await lateCall).status).toBe(403);
  expect(client.getReauthentication()).toBeNull();
  server.respond("POST /reauthenticate", json(benOn("b")));
  await client.reauthenticate("Ben's own");
  expect(server.count("POST /transfer")).toBe(2);
});

test("a call can wait for a proof before anybody has asked for the session", async () => {
  guard("DELETE /sessions");
  client.onReauthentication(() => undefined);
  const call = client.endOtherSessions();
  await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
  await client.getReauthentication()?.submit("plain tea at dawn");
  await call;
  expect(server.count("DELETE /sessions")).toBe(2);
});

test("a second refusal is not retried", async () => {
  await client.session();
  server.respond("DELETE /sessions", required);
  server.respond("POST /reauthenticate", json(annOn("a")));
  client.onReauthentication(() => undefined);
  const call = problemOf(client.endOtherSessions());
  await vi.waitFor(() => { expect(client.getReauthentication()).not.toBeNull(); });
  await client.reauthenticate("plain tea at dawn");
  expect((await call).code).toBe("reauthentication_required");
  expect(server.count("DELETE /sessions")).toBe(2);
});
