/** `useLogin`: both steps, passkeys from a button and from a field. */
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { StrictMode, type ReactNode } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import { useLogin } from "../src/factors/login.js";
import { ClientProvider } from "../src/react.js";
import { ann, annOn, FakeEventSource, FakeLocks, FakeServer, json, pending, visitor } from "./fakes.js";

let server: FakeServer;
let client: Client;

const credential = { id: "key", toJSON: () => ({ id: "key" }) };
const get = vi.fn<(options: CredentialRequestOptions) => Promise<unknown>>();
/** What is waited for in a field. */
let choices: ((credential: object) => void)[];

beforeEach(() => {
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks(), credentials: { get } });
  vi.stubGlobal(
    "PublicKeyCredential",
    Object.assign(() => undefined, {
      parseRequestOptionsFromJSON: (options: object) => options,
      isConditionalMediationAvailable: () => Promise.resolve(true),
    }),
  );
  choices = [];
  get.mockReset().mockImplementation(({ mediation, signal }) => {
    if (mediation !== "conditional") return Promise.resolve(credential);
    return new Promise((resolve, reject) => {
      choices.push(resolve);
      signal?.addEventListener("abort", () => { reject(new DOMException("", "AbortError")); });
    });
  });
  server = new FakeServer();
  server.respond("GET /session", json(visitor));
  server.respond("POST /login/passkey/options", json({ challenge: "c" }));
  client = createClient({ baseUrl: "http://api.test" });
});

afterEach(() => {
  cleanup();
  client.close();
  vi.unstubAllGlobals();
});

function show(autofill = false) {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <StrictMode>
      <ClientProvider client={client}>{children}</ClientProvider>
    </StrictMode>
  );
  return renderHook(() => useLogin({ autofill }), { wrapper }).result;
}

/** From the next response to `request` on, Ann is logged in. */
function logsIn(request: string): void {
  server.respond(request, () => {
    server.respond("GET /session", json(annOn("a")));
    return json(ann);
  });
}

const credentials = { username: "Ann", password: "plain tea at dawn" };

test("a login in two steps says what it takes, and what went wrong", async () => {
  const login = show();
  expect(login.current).toMatchObject({ step: "password", methods: [], pending: null, error: null });
  server.respond("POST /login", json({ code: "bad_credentials" }, 400));
  await act(() => login.current.login(credentials));
  expect(login.current).toMatchObject({ step: "password", error: { code: "bad_credentials" } });
  const methods = ["totp", "recovery_code"];
  server.respond("POST /login", json({ next: "second_factor", methods }, 202));
  await act(() => login.current.login(credentials));
  expect(login.current).toMatchObject({ step: "second_factor", methods, error: null });
  server.respond("POST /login/totp", json({ code: "bad_code" }, 400));
  await act(() => login.current.loginWithCode("000000"));
  expect(login.current).toMatchObject({ step: "second_factor", error: { code: "bad_code" } });
  logsIn("POST /login/recovery-code");
  await act(() => login.current.loginWithRecoveryCode("3h7k"));
  expect(login.current).toMatchObject({ step: "password", error: null });
  expect(client.getState().user?.username).toBe("Ann");
});

test("a second step that took too long begins again", async () => {
  const login = show();
  server.respond("POST /login", json({ next: "second_factor", methods: ["totp"] }, 202));
  await act(() => login.current.login(credentials));
  server.respond("POST /login/totp", json({ code: "not_logged_in", reason: "unknown_session" }, 401));
  await act(() => login.current.loginWithCode("123456"));
  expect(login.current).toMatchObject({ step: "password", error: { code: "not_logged_in" } });
  await act(() => login.current.login(credentials));
  act(() => { login.current.restart(); });
  expect(login.current).toMatchObject({ step: "password", error: null });
});

test("a passkey chosen in the field logs in; one that is refused can be chosen again", async () => {
  const login = show(true);
  await waitFor(() => { expect(choices).toHaveLength(1); });
  server.respond("POST /login/passkey", json({ code: "bad_credentials" }, 400));
  act(() => { choices[0]?.(credential); });
  await waitFor(() => { expect(choices).toHaveLength(2); });
  expect(login.current).toMatchObject({ pending: null, error: { code: "bad_credentials" } });
  logsIn("POST /login/passkey");
  act(() => { choices[1]?.(credential); });
  await waitFor(() => { expect(client.getState().status).toBe("signed-in"); });
  await waitFor(() => { expect(login.current).toMatchObject({ pending: null, error: null }); });
});

test("the button ends the wait in the field, which begins again after a closed dialog", async () => {
  const login = show(true);
  await waitFor(() => { expect(choices).toHaveLength(1); });
  get.mockRejectedValueOnce(new DOMException("", "NotAllowedError"));
  await act(() => login.current.loginWithPasskey());
  expect(login.current).toMatchObject({ pending: null, error: null, canUsePasskey: true });
  await waitFor(() => { expect(choices).toHaveLength(2); });
  logsIn("POST /login/passkey");
  await act(() => login.current.loginWithPasskey());
  expect(client.getState().status).toBe("signed-in");
});

test("without passkeys at the server there is nothing to offer", async () => {
  server.respond("POST /login/passkey/options", json({ code: "not_found" }, 404));
  const login = show(true);
  await waitFor(() => { expect(login.current.canUsePasskey).toBe(false); });
  expect(login.current.error).toBeNull();
  expect(server.count("POST /login/passkey/options")).toBe(1);
});

test("where cookies are not kept, the second step says so and does not begin again", async () => {
  const login = show();
  server.respond("POST /login", json({ next: "second_factor", methods: ["totp"] }, 202));
  await act(() => login.current.login(credentials));
  server.respond("POST /login/totp", json({ code: "not_logged_in", reason: "no_cookie" }, 401));
  await act(() => login.current.loginWithCode("123456"));
  expect(login.current).toMatchObject({ step: "second_factor", error: { reason: "no_cookie" } });
  // After ten minutes the browser has let go of it, too.
  const later = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 600_000);
  await act(() => login.current.loginWithCode("123456"));
  expect(login.current).toMatchObject({ step: "password", error: { code: "not_logged_in" } });
  later.mockRestore();
});

test("what a call comes to after the way back is not shown", async () => {
  const login = show();
  server.respond("POST /login", json({ next: "second_factor", methods: ["totp"] }, 202));
  await act(() => login.current.login(credentials));
  const { response, arrive } = pending();
  server.respond("POST /login/totp", response);
  let sent: Promise<void> = Promise.resolve();
  act(() => { sent = login.current.loginWithCode("000000"); });
  act(() => { login.current.restart(); });
  arrive(json({ code: "bad_code" }, 400));
  await act(() => sent);
  expect(login.current).toMatchObject({ step: "password", pending: null, error: null });
});

test("no passkey is waited for while a password is sent, nor again at an address without passkeys", async () => {
  const login = show(true);
  await waitFor(() => { expect(choices).toHaveLength(1); });
  const signal = get.mock.lastCall?.[0].signal;
  const { response, arrive } = pending();
  server.respond("POST /login", response);
  let sent: Promise<void> = Promise.resolve();
  act(() => { sent = login.current.login(credentials); });
  expect(signal?.aborted).toBe(true);
  get.mockRejectedValue(new DOMException("", "SecurityError"));
  arrive(json({ code: "bad_credentials" }, 400));
  await act(() => sent);
  await waitFor(() => { expect(get).toHaveBeenCalledTimes(2); });
  const asked = server.count("POST /login/passkey/options");
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  await act(() => vi.advanceTimersByTimeAsync(120_000));
  vi.useRealTimers();
  expect(server.count("POST /login/passkey/options")).toBe(asked);
});
