import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createClient, type Client } from "../src/client.js";
import { annOn, FakeEventSource, FakeLocks, FakeServer, json } from "./fakes.js";

// Each client is a tab: they share the locks, the channel (Node's own) and the server.
let server: FakeServer;
let tabs: Client[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
  FakeEventSource.opened = [];
  server = new FakeServer();
  server.answer("GET /session", json(annOn("a")));
  tabs = [];
});

afterEach(() => {
  tabs.forEach((tab) => { tab.close(); });
  vi.useRealTimers();
  vi.unstubAllGlobals();
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

test("without locks each tab has a stream of its own", async () => {
  vi.stubGlobal("navigator", {});
  await openTab();
  await openTab();
  expect(streams()).toBe(2);
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
  // The first tab, and the second, which the first told that there is no stream.
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
