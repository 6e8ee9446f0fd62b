import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createStore, type Store } from "../src/store.js";
import { createStream, type Stream } from "../src/stream.js";
import { annOn, FakeEventSource, visitor } from "./fakes.js";

let store: Store;
let stream: Stream;
const load = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("EventSource", FakeEventSource);
  FakeEventSource.opened = [];
  load.mockClear();
  store = createStore(() => undefined);
  stream = createStream("/session/events", store, load);
  stream.lead(false);
});

afterEach(() => {
  stream.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const logIn = (id: string) => { store.apply(annOn(id), store.tick()); };
const refuse = () => {
  FakeEventSource.last.refuse();
  vi.advanceTimersByTime(500);
};
const opened = () => FakeEventSource.opened.length;

test("it is open while somebody is logged in, and only then", () => {
  store.apply(visitor, store.tick());
  expect(opened()).toBe(0);
  logIn("a");
  const first = FakeEventSource.last;
  first.send({ state: "active" });
  expect(stream.isLive()).toBe(true);
  // The same session under a new secret, then another one.
  logIn("a");
  expect(opened()).toBe(1);
  logIn("b");
  expect(opened()).toBe(2);
  expect(first.readyState).toBe(FakeEventSource.CLOSED);
  store.apply(visitor, store.tick());
  expect(FakeEventSource.last.readyState).toBe(FakeEventSource.CLOSED);
  vi.advanceTimersByTime(600_000);
  expect(opened()).toBe(2);
  expect(load).not.toHaveBeenCalled();
});

test("an end needs no request, a change needs one", () => {
  logIn("a");
  FakeEventSource.last.send({ state: "active" });
  FakeEventSource.last.send({ state: "changed" });
  expect(load).toHaveBeenCalledTimes(1);
  FakeEventSource.last.send({ state: "ended", reason: "password_changed" });
  expect(store.get()).toMatchObject({ status: "signed-out", reason: "password_changed" });
  expect(load).toHaveBeenCalledTimes(1);
  expect(stream.isLive()).toBe(false);
});

test("a refusal makes it ask for the session, and try again later and later", () => {
  logIn("a");
  for (const [index, wait] of [1_000, 2_000, 4_000, 8_000].entries()) {
    refuse();
    expect(load).toHaveBeenCalledTimes(index + 1);
    vi.advanceTimersByTime(wait - 1);
    expect(opened()).toBe(index + 1);
    vi.advanceTimersByTime(1);
    expect(opened()).toBe(index + 2);
  }
  // What was missed meanwhile is asked for once it is open, and the waits begin anew.
  FakeEventSource.last.send({ state: "active" });
  expect(load).toHaveBeenCalledTimes(5);
  refuse();
  vi.advanceTimersByTime(1_000);
  expect(opened()).toBe(6);
});

test("a page that is being left, which cuts the stream off, asks nothing", () => {
  logIn("a");
  FakeEventSource.last.refuse();
  stream.close();
  vi.advanceTimersByTime(600_000);
  expect(load).not.toHaveBeenCalled();
});

test("the wait ends at about four minutes", () => {
  logIn("a");
  for (let failures = 0; failures < 20; failures += 1) {
    const before = opened();
    refuse();
    vi.advanceTimersToNextTimer();
    expect(opened()).toBe(before + 1);
  }
  refuse();
  const start = Date.now();
  vi.advanceTimersToNextTimer();
  expect(Date.now() - start).toBe(256_000);
});

test("a refusal because the session has ended is the last one", () => {
  logIn("a");
  load.mockImplementationOnce(() => { store.apply(visitor, store.tick()); });
  refuse();
  vi.advanceTimersByTime(600_000);
  expect(opened()).toBe(1);
});

test("a stream that a proxy holds back is given up", () => {
  logIn("a");
  vi.advanceTimersByTime(7_999);
  expect(load).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(FakeEventSource.last.readyState).toBe(FakeEventSource.CLOSED);
  expect(load).toHaveBeenCalledTimes(1);
  expect(stream.isLive()).toBe(false);
});

test("a lost connection is left to the browser for a while; what was missed is asked for", () => {
  logIn("a");
  const source = FakeEventSource.last;
  source.send({ state: "active" });
  source.lose();
  expect(stream.isLive()).toBe(false);
  vi.advanceTimersByTime(3_000);
  source.lose();
  expect(load).not.toHaveBeenCalled();
  source.send({ state: "active" });
  expect(load).toHaveBeenCalledTimes(1);
  expect(stream.isLive()).toBe(true);
  source.lose();
  vi.advanceTimersByTime(8_000);
  expect(source.readyState).toBe(FakeEventSource.CLOSED);
  expect(load).toHaveBeenCalledTimes(2);
  vi.advanceTimersByTime(1_000);
  expect(opened()).toBe(2);
});

test("reviving asks once, also when something is due anyway", () => {
  logIn("a");
  FakeEventSource.last.send({ state: "active" });
  stream.revive(true);
  expect(opened()).toBe(1);
  expect(load).toHaveBeenCalledTimes(1);
  refuse();
  load.mockClear();
  stream.revive(true);
  expect(opened()).toBe(2);
  expect(load).toHaveBeenCalledTimes(1);
});

test("reviving an open stream, or one that is being opened, does nothing", () => {
  logIn("a");
  stream.revive();
  FakeEventSource.last.send({ state: "active" });
  stream.revive();
  expect(opened()).toBe(1);
  expect(load).not.toHaveBeenCalled();
  refuse();
  stream.revive();
  expect(opened()).toBe(2);
  expect(load).toHaveBeenCalledTimes(2);
  // It may not come this time either.
  stream.revive();
  expect(opened()).toBe(2);
  expect(load).toHaveBeenCalledTimes(3);
});
