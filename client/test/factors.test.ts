/** Passkeys and codes, against a browser and a server that do what the test says. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import { factorsOf, hasPasskeys, offersPasskeys, type Factors } from "../src/factors/index.js";
import { ann, annOn, benOn, FakeEventSource, FakeLocks, FakeServer, json, pending, visitor } from "./fakes.js";

let server: FakeServer;
let client: Client;
let factors: Factors;

const credential = { id: "key", toJSON: () => ({ id: "key", type: "public-key" }) };
const get = vi.fn<(options: CredentialRequestOptions) => Promise<unknown>>();
const create = vi.fn<(options: CredentialCreationOptions) => Promise<unknown>>();

const fakePublicKeyCredential = Object.assign(() => undefined, {
  parseRequestOptionsFromJSON: (options: object) => ({ ...options, parsed: "to use" }),
  parseCreationOptionsFromJSON: (options: object) => ({ ...options, parsed: "to make" }),
  isConditionalMediationAvailable: () => Promise.resolve(true),
});

beforeEach(() => {
  localStorage.clear();
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("PublicKeyCredential", fakePublicKeyCredential);
  vi.stubGlobal("navigator", { locks: new FakeLocks(), credentials: { get, create } });
  get.mockReset().mockResolvedValue(credential);
  create.mockReset().mockResolvedValue(credential);
  server = new FakeServer();
  server.respond("GET /session", json(visitor));
  client = createClient({ baseUrl: "http://api.test" });
  factors = factorsOf(client);
});

afterEach(() => {
  client.close();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** From the next response on, Ann is logged in. */
function logsIn(request: string): void {
  server.respond(request, () => {
    server.respond("GET /session", json(annOn("a")));
    return json(ann);
  });
}

test("a login in two steps sets the session with the second", async () => {
  const next = { next: "second_factor", methods: ["totp", "recovery_code"] };
  server.respond("POST /login", json(next, 202));
  expect(await client.login({ username: "Ann", password: "plain tea at dawn" })).toEqual(next);
  expect(client.getState().user).toBeNull();
  server.respond("POST /login/totp", json({ code: "bad_code" }, 400));
  await expect(factors.loginWithCode("000000")).rejects.toMatchObject({ code: "bad_code" });
  logsIn("POST /login/totp");
  expect(await factors.loginWithCode("123456")).toEqual(ann);
  expect(client.getState()).toMatchObject({ status: "signed-in", session: { id: "a" } });
  expect(server.bodies).toContain('{"code":"123456"}');
});

test("a passkey logs in, from a button or from a field", async () => {
  expect(hasPasskeys()).toBe(true);
  expect(await offersPasskeys()).toBe(true);
  server.respond("POST /login/passkey/options", json({ challenge: "c" }));
  logsIn("POST /login/passkey");
  const onChosen = vi.fn(() => { expect(server.count("POST /login/passkey")).toBe(0); });
  expect(await factors.loginWithPasskey({ autofill: true, onChosen })).toEqual(ann);
  expect(onChosen).toHaveBeenCalledOnce();
  expect(get.mock.lastCall?.[0]).toMatchObject({
    publicKey: { challenge: "c", parsed: "to use" },
    mediation: "conditional",
  });
  expect(server.bodies).toContain('{"credential":{"id":"key","type":"public-key"}}');
  expect(client.getState().status).toBe("signed-in");
});

/** Waits for a choice that nobody makes, until it is given up. */
function nobodyChooses(): void {
  get.mockImplementation(({ signal }) =>
    new Promise((_, reject) => {
      signal?.addEventListener("abort", () => { reject(new DOMException("", "AbortError")); });
    }),
  );
}

test("a wait in a field ends when a button asks, and when its page says so", async () => {
  server.respond("POST /login/passkey/options", json({ challenge: "c" }));
  nobodyChooses();
  const first = factors.loginWithPasskey({ autofill: true });
  await vi.waitFor(() => { expect(get).toHaveBeenCalledTimes(1); });
  get.mockResolvedValueOnce(credential);
  logsIn("POST /login/passkey");
  expect(await factors.loginWithPasskey()).toEqual(ann);
  await expect(first).rejects.toMatchObject({ code: "passkey_not_used" });
  expect(server.count("POST /login/passkey")).toBe(1);

  const ender = new AbortController();
  const second = factors.loginWithPasskey({ autofill: true, signal: ender.signal });
  await vi.waitFor(() => { expect(get).toHaveBeenCalledTimes(3); });
  ender.abort();
  await expect(second).rejects.toMatchObject({ code: "passkey_not_used" });
});

test("a wait in a field asks for a new challenge before the old one expires", async () => {
  const expiries: AbortController[] = [];
  vi.spyOn(AbortSignal, "timeout").mockImplementation((milliseconds) => {
    // Others are of locks and requests.
    if (milliseconds < 60_000) return new AbortController().signal;
    expect(milliseconds).toBeLessThan(5 * 60_000);
    const expiry = new AbortController();
    expiries.push(expiry);
    return expiry.signal;
  });
  server.respond("POST /login/passkey/options", json({ challenge: "c" }));
  nobodyChooses();
  const login = factors.loginWithPasskey({ autofill: true });
  await vi.waitFor(() => { expect(get).toHaveBeenCalledTimes(1); });
  server.respond("POST /login/passkey/options", json({ challenge: "d" }));
  get.mockResolvedValueOnce(credential);
  logsIn("POST /login/passkey");
  expiries.at(-1)?.abort();
  expect(await login).toEqual(ann);
  expect(get.mock.lastCall?.[0]).toMatchObject({ publicKey: { challenge: "d" } });
});

test.each([
  ["InvalidStateError", "passkey_exists"],
  ["SecurityError", "passkey_wrong_site"],
  ["NotAllowedError", "passkey_not_used"],
  ["AbortError", "passkey_not_used"],
  ["ConstraintError", "passkey_failed"],
  ["OperationError", "passkey_failed"],
])("%s of the browser is %s", async (name, code) => {
  server.respond("GET /session", json(annOn("a")));
  server.respond("POST /passkeys/options", json({ challenge: "c" }));
  create.mockRejectedValue(new DOMException("", name));
  await expect(factors.addPasskey()).rejects.toMatchObject({ code, status: 0 });
});

test("a first step over a live session ends it", async () => {
  server.respond("GET /session", json(annOn("a")));
  await client.session();
  server.respond("POST /login", () => {
    server.respond("GET /session", json(visitor));
    return json({ next: "second_factor", methods: ["totp"] }, 202);
  });
  await client.login({ username: "Ben", password: "plain tea at dawn" });
  expect(client.getState().status).toBe("signed-out");
});

test("a dialog that is closed is no failure of the network", async () => {
  server.respond("POST /login/passkey/options", json({ challenge: "c" }));
  get.mockRejectedValue(new DOMException("", "NotAllowedError"));
  await expect(factors.loginWithPasskey()).rejects.toMatchObject({ code: "passkey_not_used" });
  expect(server.count("POST /login/passkey")).toBe(0);
});

test("a passkey lets a call go on that waits for a proof", async () => {
  server.respond("GET /session", json(annOn("a")));
  await client.session();
  client.onReauthentication(() => undefined);
  const methods = ["password", "passkey"];
  server.respond("DELETE /totp", json({ code: "reauthentication_required", methods }, 403));
  const removal = factors.removeTotp();
  await vi.waitFor(() => { expect(client.getReauthentication()?.methods).toEqual(methods); });
  server.respond("POST /reauthenticate/passkey/options", json({ challenge: "c" }));
  server.respond("POST /reauthenticate/passkey", () => {
    server.respond("DELETE /totp", json(null, 204));
    return json(annOn("a"));
  });
  await factors.reauthenticateWithPasskey();
  await removal;
  expect(client.getReauthentication()).toBeNull();
});

test("passkeys are made, named and removed, and the methods of a proof are known anew", async () => {
  server.respond("GET /session", json(annOn("a")));
  await client.session();
  server.respond("POST /passkeys/options", json({ challenge: "c" }));
  const key = { id: "k/1", name: "My phone", created_at: "", last_used_at: null, backed_up: false };
  server.respond("POST /passkeys", () => {
    const reauthentication = { required_after: "2026-01-01T00:10:00Z", methods: ["password", "passkey"] };
    server.respond("GET /session", json({ ...annOn("a"), reauthentication }));
    return json(key, 201);
  });
  expect(await factors.addPasskey("My phone")).toEqual(key);
  expect(create).toHaveBeenCalledWith(
    expect.objectContaining({ publicKey: { challenge: "c", parsed: "to make" } }),
  );
  expect(client.getState().reauthentication?.methods).toEqual(["password", "passkey"]);
  server.respond("GET /passkeys", json({ passkeys: [key] }));
  expect(await factors.passkeys()).toEqual([key]);
  server.respond("DELETE /passkeys/k%2F1", json({ code: "last_credential" }, 409));
  await expect(factors.removePasskey("k/1")).rejects.toMatchObject({ code: "last_credential" });
});

test("codes are turned on once confirmed, with recovery codes", async () => {
  server.respond("POST /totp", json({ secret: "S", uri: "otpauth://totp/a" }));
  server.respond("POST /totp/confirm", json({ recovery_codes: ["a", "b"] }));
  server.respond("GET /totp", json({ enabled: true, recovery_codes_left: 2 }));
  server.respond("POST /recovery-codes", json({ recovery_codes: ["c"] }));
  expect(await factors.startTotp()).toEqual({ secret: "S", uri: "otpauth://totp/a" });
  expect(await factors.confirmTotp("123456")).toEqual(["a", "b"]);
  expect(await factors.totp()).toEqual({ enabled: true, recovery_codes_left: 2 });
  expect(await factors.newRecoveryCodes()).toEqual(["c"]);
});

test("a browser without passkeys and a site without them have codes of their own", async () => {
  server.respond("POST /login/passkey/options", json({ code: "not_found" }, 404));
  await expect(factors.loginWithPasskey()).rejects.toMatchObject({ code: "passkeys_off", status: 404 });
  server.respond("POST /login/passkey/options", json({ challenge: "c" }));
  vi.stubGlobal("PublicKeyCredential", undefined);
  await expect(factors.loginWithPasskey()).rejects.toMatchObject({ code: "passkey_failed", status: 0 });
});

test("a passkey that waits for a proof keeps no other tab from making one", async () => {
  server.respond("GET /session", json(annOn("a")));
  await client.session();
  client.onReauthentication(() => undefined);
  const methods = ["password"];
  server.respond("POST /passkeys/options", json({ code: "reauthentication_required", methods }, 403));
  const adding = factors.addPasskey();
  await vi.waitFor(() => { expect(client.getReauthentication()?.methods).toEqual(methods); });
  const isFree = await navigator.locks.request("handstamp passkeys", { ifAvailable: true }, (lock) => lock !== null);
  expect(isFree).toBe(true);
  client.getReauthentication()?.cancel();
  await expect(adding).rejects.toMatchObject({ code: "reauthentication_required" });
});

test("a request to the browser ends with the next one, and with the session that is shown", async () => {
  server.respond("GET /session", json(annOn("a")));
  await client.session();
  server.respond("POST /reauthenticate/passkey/options", json({ challenge: "c" }));
  nobodyChooses();
  const first = factors.reauthenticateWithPasskey();
  await vi.waitFor(() => { expect(get).toHaveBeenCalledTimes(1); });
  const second = factors.reauthenticateWithPasskey();
  await expect(first).rejects.toMatchObject({ code: "passkey_not_used" });
  await vi.waitFor(() => { expect(get).toHaveBeenCalledTimes(2); });
  server.respond("GET /session", json(benOn("b")));
  await client.refresh();
  await expect(second).rejects.toMatchObject({ code: "passkey_not_used" });
  const ender = new AbortController();
  const third = factors.reauthenticateWithPasskey({ signal: ender.signal });
  await vi.waitFor(() => { expect(get).toHaveBeenCalledTimes(3); });
  ender.abort();
  await expect(third).rejects.toMatchObject({ code: "passkey_not_used" });
  expect(server.count("POST /reauthenticate/passkey")).toBe(0);
});

test("a passkey chosen after the login was given up is not sent", async () => {
  server.respond("POST /login/passkey/options", json({ challenge: "c" }));
  const ender = new AbortController();
  get.mockImplementation(() => {
    ender.abort();
    return Promise.resolve(credential);
  });
  const login = factors.loginWithPasskey({ signal: ender.signal });
  await expect(login).rejects.toMatchObject({ code: "passkey_not_used" });
  expect(server.count("POST /login/passkey")).toBe(0);
});

test("a button pressed before the wait has its challenge asks for its own after that", async () => {
  const { response, arrive } = pending();
  server.respond("POST /login/passkey/options", response);
  const waiting = factors.loginWithPasskey({ autofill: true });
  await vi.waitFor(() => { expect(server.count("POST /login/passkey/options")).toBe(1); });
  logsIn("POST /login/passkey");
  const login = factors.loginWithPasskey();
  await new Promise((done) => setTimeout(done, 20));
  expect(server.count("POST /login/passkey/options")).toBe(1);
  server.respond("POST /login/passkey/options", json({ challenge: "d" }));
  arrive(json({ challenge: "c" }));
  await expect(waiting).rejects.toMatchObject({ code: "passkey_not_used" });
  expect(await login).toEqual(ann);
  expect(get).toHaveBeenCalledOnce();
  expect(get.mock.lastCall?.[0]).toMatchObject({ publicKey: { challenge: "d" } });
});

test("a wait on a hidden page that is given up asks for no challenge", async () => {
  vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  const ender = new AbortController();
  const waiting = factors.loginWithPasskey({ autofill: true, signal: ender.signal });
  ender.abort();
  await expect(waiting).rejects.toMatchObject({ code: "passkey_not_used" });
  expect(server.count("POST /login/passkey/options")).toBe(0);
});
