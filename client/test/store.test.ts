import { expect, test, vi } from "vitest";
import { Problem } from "../src/problem.js";
import { createStore } from "../src/store.js";
import { annOn, benOn, unknown, visitor } from "./fakes.js";

const busy = new Problem(503, { code: "unavailable" });

test("a response older than the log-out does not bring the session back", () => {
  const store = createStore(() => undefined);
  const asked = store.tick();
  store.apply(visitor, store.tick());
  store.apply(annOn("a"), asked);
  expect(store.get().status).toBe("signed-out");
});

test("the end of a session concerns that one alone", () => {
  const store = createStore(() => undefined);
  store.apply(annOn("a"), store.tick());
  const asked = store.tick();
  store.apply({ ...visitor, reason: "revoked" }, store.tick(), "a");
  // Of the session that ended, or of none, the response says nothing new; of another one it does.
  store.apply(annOn("a"), asked);
  store.apply(unknown, asked);
  expect(store.get()).toMatchObject({ status: "signed-out", reason: "revoked" });
  store.apply(benOn("b"), asked);
  expect(store.get().user?.username).toBe("Ben");
  store.apply({ ...visitor, reason: "revoked" }, store.tick(), "a");
  expect(store.get().user?.username).toBe("Ben");
});

test("a tab that is gone holds nothing back for long", () => {
  vi.useFakeTimers();
  const ask = vi.fn();
  const store = createStore(() => undefined, ask);
  store.apply(annOn("a"), store.tick());
  store.hold(1);
  store.apply({ ...visitor, reason: "revoked" }, store.tick(), "a");
  expect(store.get().status).toBe("signed-in");
  vi.advanceTimersByTime(1_000);
  expect(ask).toHaveBeenCalledTimes(1);
  store.apply(unknown, store.tick());
  expect(store.get().status).toBe("signed-in");
  vi.advanceTimersByTime(9_000);
  expect(ask).toHaveBeenCalledTimes(2);
  store.apply(unknown, store.tick());
  expect(store.get().status).toBe("signed-out");
  vi.useRealTimers();
});

test("a newer tab whose clock was set back counts all the same", () => {
  vi.useFakeTimers({ now: 2_000_000 });
  const old = createStore(() => undefined);
  old.apply(annOn("a"), old.tick());
  vi.setSystemTime(1_000_000);
  const fresh = createStore(() => undefined);
  // The older tab's first message has its time.
  fresh.tick(old.tick());
  old.apply(visitor, fresh.tick());
  expect(old.get().status).toBe("signed-out");
  vi.useRealTimers();
});

test("a failure keeps the user and says so until a response comes", () => {
  const store = createStore(() => undefined);
  store.fail(busy);
  expect(store.get()).toMatchObject({ status: "loading", error: { code: "unavailable" } });
  store.apply(annOn("a"), store.tick());
  expect(store.get()).toMatchObject({ status: "signed-in", error: null });
  store.fail(busy);
  expect(store.get()).toMatchObject({ status: "signed-in", user: { username: "Ann" }, error: busy });
});

test("subscribers are called after changes, not for the same again; what other tabs sent is not sent again", () => {
  const publish = vi.fn();
  const store = createStore(publish);
  const listener = vi.fn();
  const unsubscribe = store.subscribe(listener);
  store.apply(annOn("a"), store.tick());
  store.apply(annOn("a"), store.tick());
  expect(listener).toHaveBeenCalledTimes(1);
  const { user } = store.get();
  store.apply(annOn("b"), store.tick(), undefined, true);
  expect(listener).toHaveBeenCalledTimes(2);
  expect(publish).toHaveBeenCalledTimes(2);
  unsubscribe();
  store.apply(visitor, store.tick());
  expect(listener).toHaveBeenCalledTimes(2);
  expect(user?.username).toBe("Ann");
});
