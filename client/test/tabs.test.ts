import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import { ben, benOn, annOn, FakeEventSource, FakeLocks, FakeServer, json, unknown } from "./fakes.js";

// Each client is a tab: they share the locks, the channel (Node's own) and the server.
let server: FakeServer;
let tabs: Client[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
  FakeEventSource.opened = [];
  server = new FakeServer();
  server.respond("GET /session", json(annOn("a")));
  tabs = [];
});

afterEach(() => {
  tabs.forEach((tab) => { tab.close(); });
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Lets messages arrive, which come on the real event loop. */
const settle = () => new Promise<void>((resolve) => { const { port1, port2 } = new MessageChannel();
  let turns = 20;
  port1.onmessage = () => { if (turns-- > 0) port2.postMessage(0); else { port1.close(); resolve(); } };
  port2.postMessage(0);
});

async function openTab(): Promise<Client> {
  const tab = createClient({ baseUrl: "http://api.test" });
  tabs.push(tab);
  await tab.session();
  await settle();
  return tab;
}

const streams = () => FakeEventSource.opened.filter(({ readyState }) => readyState !== 2).length;

test("tabs share one stream, and what one learns they all know", async () => {
  const [first, second, third] = [await openTab(), await openTab(), await openTab()];
  expect(streams()).toBe(1);
  expect(server.count("GET /session")).toBe(3);
  FakeEventSource.last.send({ state: "ended", reason: "revoked" });
  await settle();
  for (const tab of [first, second, third]) {
    expect(tab.getState()).toMatchObject({ status: "signed-out", reason: "revoked" });
  }
  expect(server.count("GET /session")).toBe(3);
});

test("the next tab takes the stream over, and asks what it missed", async () => {
  const first = await openTab();
  FakeEventSource.last.send({ state: "active" });
  await openTab();
  first.close();
  await settle();
  expect(streams()).toBe(1);
  expect(FakeEventSource.opened).toHaveLength(2);
  FakeEventSource.last.send({ state: "active" });
  await settle();
  expect(server.count("GET /session")).toBe(3);
});

function setHidden(hidden: boolean): void {
  vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
  document.dispatchEvent(new Event("visibilitychange"));
}

test("without locks each tab has a stream of its own, while it is visible", async () => {
  vi.stubGlobal("navigator", {});
  await openTab();
  await openTab();
  expect(streams()).toBe(2);
  FakeEventSource.opened.forEach((source) => { source.send({ state: "active" }); });
  setHidden(true);
  expect(streams()).toBe(0);
  await openTab();
  expect(streams()).toBe(0);
  const asked = server.count("GET /session");
  setHidden(false);
  expect(streams()).toBe(3);
  // What they missed is asked for once it is open.
  FakeEventSource.opened.slice(-3).forEach((source) => { source.send({ state: "active" }); });
  await settle();
  expect(server.count("GET /session")).toBe(asked + 3);
});

test("a login over another session leaves no tab logged out, whichever has the stream", async () => {
  const [first, second] = [await openTab(), await openTab()];
  const shown: string[] = [];
  for (const tab of [first, second]) tab.subscribe(() => { shown.push(tab.getState().status); });
  const stream = FakeEventSource.last;
  server.respond("POST /login", async () => {
    await settle();
    stream.send({ state: "ended", reason: "logged_out" });
    await settle();
    server.respond("GET /session", json(benOn("b")));
    return json(ben);
  });
  await second.login({ username: "Ben" });
  await settle();
  await vi.advanceTimersByTimeAsync(20_000);
  await settle();
  for (const tab of [first, second]) {
    expect(tab.getState()).toMatchObject({ status: "signed-in", user: ben, session: { id: "b" } });
  }
  expect(shown.filter((status) => status !== "signed-in")).toEqual([]);
});

test("a tab that asks with the cookie from before another tab's password change stays logged in", async () => {
  const [first, second] = [await openTab(), await openTab()];
  server.respond("GET /session", json(unknown));
  server.respond("POST /password", async () => {
    await settle();
    await first.refresh();
    expect(first.getState().status).toBe("signed-in");
    server.respond("GET /session", json(annOn("a")));
    return json(null, 204);
  });
  await second.changePassword({ current_password: "old", new_password: "new" });
  await settle();
  expect(server.count("POST /password")).toBe(1);
  for (const tab of [first, second]) expect(tab.getState()).toMatchObject({ status: "signed-in", error: null });
});

test("a page that nobody uses asks nothing, and asks once when somebody does", async () => {
  await openTab();
  FakeEventSource.last.send({ state: "active" });
  // A proxy that cuts every stream after a minute: within five minutes of the last use it asks.
  const cutAfterAMinute = async () => {
    for (let beats = 0; beats < 4; beats += 1) await vi.advanceTimersByTimeAsync(15_000);
    FakeEventSource.last.lose();
    FakeEventSource.last.send({ state: "active" });
    await settle();
  };
  for (let minutes = 0; minutes < 60; minutes += 1) await cutAfterAMinute();
  expect(server.count("GET /session")).toBe(1 + 4);
  dispatchEvent(new Event("pointerdown"));
  await settle();
  dispatchEvent(new Event("pointerdown"));
  await settle();
  expect(server.count("GET /session")).toBe(1 + 4 + 1);
  await cutAfterAMinute();
  expect(server.count("GET /session")).toBe(1 + 4 + 2);
  // The stream does not come back: it asks once, and tries again without a use of the session.
  await vi.advanceTimersByTimeAsync(300_000);
  const [asked, opened] = [server.count("GET /session"), FakeEventSource.opened.length];
  FakeEventSource.last.refuse();
  for (let minutes = 0; minutes < 60; minutes += 1) await vi.advanceTimersByTimeAsync(60_000);
  await settle();
  expect(server.count("GET /session")).toBe(asked + 1);
  expect(FakeEventSource.opened.length).toBeGreaterThan(opened + 10);
  dispatchEvent(new Event("focus"));
  await settle();
  expect(server.count("GET /session")).toBe(asked + 2);
});

test("a page that nobody uses learns of changes, and of an end that its stream has missed", async () => {
  const tab = await openTab();
  FakeEventSource.last.send({ state: "active" });
  await vi.advanceTimersByTimeAsync(600_000);
  server.respond("GET /session", json(benOn("a")));
  FakeEventSource.last.send({ state: "changed" });
  await vi.waitFor(() => { expect(tab.getState().user?.username).toBe("Ben"); });
  server.respond("GET /session", json(unknown));
  FakeEventSource.last.refuse();
  await vi.advanceTimersByTimeAsync(500);
  await vi.waitFor(() => { expect(tab.getState().status).toBe("signed-out"); });
  expect(server.count("GET /session")).toBe(3);
});

test("what a tab in the background has missed is asked for by the one that is used", async () => {
  // Two windows: both get the events of this one document, so the second is made to see no use.
  const first = await openTab();
  FakeEventSource.last.send({ state: "active" });
  await vi.advanceTimersByTimeAsync(600_000);
  const second = await openTab();
  expect(server.count("GET /session")).toBe(2);
  FakeEventSource.last.lose();
  server.respond("GET /session", json({ ...annOn("a"), user: { ...ben, id: "1" } }));
  FakeEventSource.last.send({ state: "active" });
  await settle();
  await vi.waitFor(() => {
    for (const tab of [first, second]) expect(tab.getState().user?.username).toBe("Ben");
  });
  expect(server.count("GET /session")).toBe(3);
  // It is known, so a focus need not ask.
  dispatchEvent(new Event("focus"));
  await settle();
  expect(server.count("GET /session")).toBe(3);
});

test("a focus asks nothing while the stream is open, and asks when it is not", async () => {
  await openTab();
  const second = await openTab();
  FakeEventSource.last.send({ state: "active" });
  dispatchEvent(new Event("focus"));
  await settle();
  expect(server.count("GET /session")).toBe(2);
  // Refused, which makes the first tab ask.
  FakeEventSource.last.refuse();
  await vi.advanceTimersByTimeAsync(500);
  await settle();
  expect(server.count("GET /session")).toBe(3);
  vi.setSystemTime(Date.now() + 6_000);
  dispatchEvent(new Event("focus"));
  await settle();
  // The first tab, and the second, to which the first responded that there is no stream.
  expect(server.count("GET /session")).toBe(5);
  dispatchEvent(new Event("focus"));
  await settle();
  expect(server.count("GET /session")).toBe(5);
  expect(second.getState().status).toBe("signed-in");
});

test("a leading tab that gives no sign of life loses the stream", async () => {
  // A tab that a phone has suspended: it holds the lock and says nothing.
  const held = () => new Promise(() => undefined);
  navigator.locks.request("handstamp http://api.test", {}, held).catch(() => undefined);
  await openTab();
  expect(streams()).toBe(0);
  await vi.advanceTimersByTimeAsync(2_000);
  await settle();
  expect(streams()).toBe(1);
});

test("a lock that is granted after the tab has left is given back", async () => {
  const held = () => new Promise(() => undefined);
  navigator.locks.request("handstamp http://api.test", {}, held).catch(() => undefined);
  const request = navigator.locks.request.bind(navigator.locks) as (...args: unknown[]) => Promise<void>;
  let grant: () => void = () => undefined;
  const spy = vi.spyOn(navigator.locks, "request").mockImplementation(
    (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        // The browser takes its time.
        grant = () => { request(...args).then(resolve, reject); };
      }),
  );
  await openTab();
  await vi.advanceTimersByTimeAsync(2_000);
  dispatchEvent(new Event("pagehide"));
  grant();
  await settle();
  expect(streams()).toBe(0);
  spy.mockRestore();
  // The lock is free for the next tab.
  const got = vi.fn();
  void navigator.locks.request("handstamp http://api.test", {}, () => { got(); return Promise.resolve(); });
  await settle();
  expect(got).toHaveBeenCalled();
});

test("a tab that lost the stream follows", async () => {
  const first = await openTab();
  FakeEventSource.last.send({ state: "active" });
  await navigator.locks.request("handstamp http://api.test", { steal: true }, () => Promise.resolve());
  await settle();
  // The thief is gone already, so the tab has it again.
  expect(FakeEventSource.opened).toHaveLength(2);
  expect(streams()).toBe(1);
  FakeEventSource.last.send({ state: "ended", reason: "expired" });
  expect(first.getState().reason).toBe("expired");
});

test("after a sleep, and when the network is back, the stream is opened anew", async () => {
  await openTab();
  FakeEventSource.last.send({ state: "active" });
  vi.setSystemTime(Date.now() + 3_600_000);
  await vi.advanceTimersByTimeAsync(15_000);
  expect(FakeEventSource.opened).toHaveLength(2);
  expect(streams()).toBe(1);
  FakeEventSource.last.send({ state: "active" });
  await settle();
  expect(server.count("GET /session")).toBe(2);
  dispatchEvent(new Event("online"));
  expect(FakeEventSource.opened).toHaveLength(3);
  // It does not come: the session is asked for anyway.
  await vi.advanceTimersByTimeAsync(8_000);
  expect(server.count("GET /session")).toBe(3);
});

test("a page that is frozen or kept for the back button holds nothing, and catches up", async () => {
  await openTab();
  for (const [leave, back] of [["freeze", "resume"], ["pagehide", "pageshow"]] as const) {
    const asked = server.count("GET /session");
    (leave === "freeze" ? document : window).dispatchEvent(new Event(leave));
    expect(streams()).toBe(0);
    (back === "resume" ? document : window).dispatchEvent(new Event(back));
    await settle();
    expect(streams()).toBe(1);
    expect(server.count("GET /session")).toBe(asked + 1);
  }
});
