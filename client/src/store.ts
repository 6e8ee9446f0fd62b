import type { Problem } from "./problem.js";
import type { SessionBody, SessionState } from "./types.js";

/** What is known of the session, and as of when. */
export interface Store {
  get: () => SessionState;
  subscribe: (listener: () => void) => () => void;
  /** The present as a number above every earlier one, those `heard` from other tabs included. */
  tick: (heard?: number) => number;
  /** Takes what was true at `time`, unless something newer is known. */
  apply: (body: SessionBody, time: number, from?: "other tab") => void;
  /** Notes that the server could not be asked: nobody is logged out by that. */
  fail: (error: Problem) => void;
}

/** The state before the first response. */
export const initial: SessionState = {
  status: "loading",
  user: null,
  session: null,
  reauthentication: null,
  reason: null,
  error: null,
};

/** Calls `publish` with what this tab has learned from the server. */
export function createStore(publish: (body: SessionBody, time: number) => void): Store {
  const listeners = new Set<() => void>();
  let state = initial;
  let shown = 0;
  // A hybrid logical clock: it orders changes across tabs, also after the system's was set back.
  let clock = 0;

  const set = (next: SessionState) => {
    // A component that depends on the user is not rendered again for the same user.
    if (JSON.stringify(next) === JSON.stringify(state)) return;
    state = next;
    listeners.forEach((listener) => { listener(); });
  };

  return {
    get: () => state,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    tick: (heard = 0) => (clock = Math.max(Date.now(), clock + 1, heard)),
    apply: (body, time, from) => {
      if (time < shown) return;
      shown = time;
      set({ ...body, status: body.user ? "signed-in" : "signed-out", error: null } as SessionState);
      if (!from) publish(body, time);
    },
    fail: (error) => { set({ ...state, error }); },
  };
}
