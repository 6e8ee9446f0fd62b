/** What a browser is told of passkeys: all that the server has, once it is certain whose they are. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import { factorsOf, type Factors } from "../src/factors/index.js";
import { annOn, benOn, FakeEventSource, FakeLocks, FakeServer, json, pending } from "./fakes.js";

let server: FakeServer;
let client: Client;
let factors: Factors;

const accepted = vi.fn(() => Promise.resolve());
const details = vi.fn(() => Promise.resolve());
const unknown = vi.fn(() => Promise.resolve());
const create = vi.fn(() => Promise.resolve({ id: "new", toJSON: () => ({ id: "new" }) }));

const id = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60";
const userId = "AZqcPnscfVKcPw1bih5PYA";
const body = annOn("a");
const annsOn = { ...body, user: { ...body.user, id } };
const key = (id: string) => ({ id, name: id, created_at: "", last_used_at: null, backed_up: true });

beforeEach(async () => {
  vi.clearAllMocks();
  localStorage.clear();
  sessionStorage.clear();
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks(), credentials: { create } });
  vi.stubGlobal(
    "PublicKeyCredential",
    Object.assign(() => undefined, {
      parseCreationOptionsFromJSON: (options: object) => options,
      signalAllAcceptedCredentials: accepted,
      signalCurrentUserDetails: details,
      signalUnknownCredential: unknown,
    }),
  );
  server = new FakeServer();
  server.respond("GET /session", json(annsOn));
  server.respond("GET /passkeys", json({ passkeys: [key("k"), key("l")] }));
  server.respond("POST /passkeys/options", json({ challenge: "c", rp: { id: "app.example" } }));
  server.respond("POST /reauthenticate/passkey/options", json({ rpId: "app.example" }));
  client = createClient({ baseUrl: "http://api.test" });
  factors = factorsOf(client);
  await client.session();
});

afterEach(() => {
  client.close();
  vi.unstubAllGlobals();
});

/** Until there is nothing more to be told. */
const settled = () => new Promise((done) => setTimeout(done, 50));

test("a list is told, once, with the name of the user", async () => {
  expect(await factors.passkeys()).toHaveLength(2);
  await vi.waitFor(() => { expect(details).toHaveBeenCalled(); });
  const of = { rpId: "app.example", userId };
  expect(accepted).toHaveBeenCalledExactlyOnceWith({ ...of, allAcceptedCredentialIds: ["k", "l"] });
  expect(details).toHaveBeenCalledExactlyOnceWith({ ...of, name: "Ann", displayName: "Ann" });
  await settled();
  await factors.passkeys();
  await settled();
  expect(accepted).toHaveBeenCalledOnce();
  expect(unknown).not.toHaveBeenCalled();
});

/** A page that is loaded, with what the pages before it have kept. */
async function load(): Promise<Client> {
  const page = createClient({ baseUrl: "http://api.test" });
  await page.session();
  return page;
}

test("a reload tells the same list to nobody, and asks for nothing more", async () => {
  await factors.passkeys();
  await vi.waitFor(() => { expect(details).toHaveBeenCalled(); });
  await settled();
  expect(server.count("POST /reauthenticate/passkey/options")).toBe(1);
  client.close();
  const asked = server.count("GET /session");
  const again = await load();
  expect(await factorsOf(again).passkeys()).toHaveLength(2);
  await settled();
  expect(server.count("GET /session")).toBe(asked + 1);
  expect(server.count("POST /reauthenticate/passkey/options")).toBe(1);
  expect(accepted).toHaveBeenCalledOnce();
  again.close();
});

test("a page load after the last one was removed elsewhere tells of none, without a challenge", async () => {
  await factors.passkeys();
  await vi.waitFor(() => { expect(details).toHaveBeenCalled(); });
  client.close();
  server.respond("GET /passkeys", json({ passkeys: [] }));
  const again = await load();
  expect(await factorsOf(again).passkeys()).toEqual([]);
  await vi.waitFor(() => { expect(accepted).toHaveBeenCalledTimes(2); });
  expect(accepted).toHaveBeenLastCalledWith({ rpId: "app.example", userId, allAcceptedCredentialIds: [] });
  expect(server.count("POST /reauthenticate/passkey/options")).toBe(1);
  again.close();
});

test("an account that is deleted has no passkeys any more", async () => {
  await factors.passkeys();
  await vi.waitFor(() => { expect(details).toHaveBeenCalled(); });
  server.respond("DELETE /account", json(null, 204));
  await client.deleteAccount();
  await vi.waitFor(() => { expect(accepted).toHaveBeenCalledTimes(2); });
  expect(accepted).toHaveBeenLastCalledWith({ rpId: "app.example", userId, allAcceptedCredentialIds: [] });
});

test("where pages may store nothing, the browser is told all the same", async () => {
  const refuse = () => { throw new DOMException("", "SecurityError"); };
  vi.stubGlobal("localStorage", { getItem: refuse, setItem: refuse });
  vi.stubGlobal("sessionStorage", { getItem: refuse, setItem: refuse });
  const page = await load();
  await factorsOf(page).passkeys();
  await vi.waitFor(() => { expect(accepted).toHaveBeenCalledOnce(); });
  page.close();
});

test("lists that two tabs read at the same time are told by both", async () => {
  const other = createClient({ baseUrl: "http://api.test" });
  await other.session();
  const { response, arrive } = pending();
  server.respond("GET /passkeys", async () => (await response()).clone());
  const lists = [factors.passkeys(), factorsOf(other).passkeys()];
  await vi.waitFor(() => { expect(server.count("GET /passkeys")).toBe(2); });
  arrive(json({ passkeys: [key("k")] }));
  await Promise.all(lists);
  await vi.waitFor(() => { expect(accepted).toHaveBeenCalledTimes(2); });
  other.close();
});

test("no challenge is asked for to tell of no passkeys", async () => {
  server.respond("GET /passkeys", json({ passkeys: [] }));
  expect(await factors.passkeys()).toEqual([]);
  await settled();
  expect(server.count("POST /reauthenticate/passkey/options")).toBe(0);
  expect(accepted).not.toHaveBeenCalled();
});

test("the list of somebody else who has logged in meanwhile is told to nobody", async () => {
  server.respond("GET /passkeys", () => {
    server.respond("GET /session", json(benOn("b")));
    return json({ passkeys: [key("b")] });
  });
  expect(await factors.passkeys()).toHaveLength(1);
  await settled();
  expect(accepted).not.toHaveBeenCalled();
});

test("nothing is told when the server cannot say whose the list is", async () => {
  server.respond("GET /passkeys", () => {
    server.respond("GET /session", json({}, 503));
    return json({ passkeys: [key("k")] });
  });
  expect(await factors.passkeys()).toHaveLength(1);
  await settled();
  expect(accepted).not.toHaveBeenCalled();
});

test("the rest is told once one is removed", async () => {
  server.respond("DELETE /passkeys/l", () => {
    server.respond("GET /passkeys", json({ passkeys: [key("k")] }));
    return json(null, 204);
  });
  await factors.removePasskey("l");
  await vi.waitFor(() => { expect(accepted).toHaveBeenCalled(); });
  expect(accepted).toHaveBeenCalledWith(
    { rpId: "app.example", userId, allAcceptedCredentialIds: ["k"] },
  );
});

test("a list from before a passkey was made is not told after it", async () => {
  server.respond("POST /passkeys", json(key("new"), 201));
  let make: (credential: { id: string; toJSON: () => { id: string } }) => void = () => undefined;
  create.mockReturnValueOnce(new Promise((resolve) => { make = resolve; }));
  const adding = factors.addPasskey();
  await vi.waitFor(() => { expect(create).toHaveBeenCalled(); });
  expect(await factors.passkeys()).toHaveLength(2);
  await settled();
  expect(accepted).not.toHaveBeenCalled();
  server.respond("GET /passkeys", json({ passkeys: [key("k"), key("l"), key("new")] }));
  make({ id: "new", toJSON: () => ({ id: "new" }) });
  await adding;
  await vi.waitFor(() => { expect(accepted).toHaveBeenCalled(); });
  expect(accepted).toHaveBeenCalledExactlyOnceWith(
    { rpId: "app.example", userId, allAcceptedCredentialIds: ["k", "l", "new"] },
  );
  expect(unknown).not.toHaveBeenCalled();
});

test("a passkey that the server has refused is not offered", async () => {
  server.respond("POST /passkeys", json({ code: "bad_passkey" }, 400));
  await expect(factors.addPasskey()).rejects.toMatchObject({ code: "bad_passkey" });
  expect(unknown).toHaveBeenCalledExactlyOnceWith({ rpId: "app.example", credentialId: "new" });
});

test.each([
  ["it was taken all the same", 400, [key("k"), key("new")]],
  ["nobody knows what became of it", 503, [key("k")]],
])("it stays when %s", async (_, status, passkeys) => {
  server.respond("POST /passkeys", json({ code: "bad_passkey" }, status));
  server.respond("GET /passkeys", json({ passkeys }));
  await expect(factors.addPasskey()).rejects.toMatchObject({ status });
  await settled();
  expect(unknown).not.toHaveBeenCalled();
});

test("a list that could not be told is told the next time", async () => {
  server.respond("POST /reauthenticate/passkey/options", json({ code: "busy" }, 503));
  await factors.passkeys();
  await settled();
  expect(accepted).not.toHaveBeenCalled();
  server.respond("POST /reauthenticate/passkey/options", json({ rpId: "app.example" }));
  await factors.passkeys();
  await vi.waitFor(() => { expect(accepted).toHaveBeenCalledOnce(); });
});
