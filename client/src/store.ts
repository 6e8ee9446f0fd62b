import type { Problem } from "./problem.js";
import type { SessionBody, SessionState } from "./types.js";

/** What is known of the session, and as of when. */
export interface Store {
  get: () => SessionState;
  subscribe: (listener: () => void) => () => void;
  /** The present as a number above every earlier one, those `received` from other tabs included. */
  tick: (received?: number) => number;
  /**
   * Takes what was true at `time`, unless something newer is known. With `ended`, the public id of a
   * session, the body says no more than that this one has ended. What `isReceived` from another tab
   * is not published again.
   */
  apply: (body: SessionBody, time: number, ended?: string, isReceived?: boolean) => void;
  /**
   * So many calls that give the browser another cookie are under way. What is said meanwhile of the
   * session that they replace is not applied; the server is asked again.
   */
  hold: (calls: number) => void;
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

/** Such a call takes no longer, unless its tab is gone. */
const holdTimeout = 10_000;
const askPause = 1_000;

/** Calls `publish` with what this tab has learned from the server, and `ask` to learn more. */
export function createStore(
  publish: (body: SessionBody, time: number, ended?: string) => void,
  ask: () => void = () => undefined,
): Store {
  const listeners = new Set<() => void>();
  let state = initial;
  /** As of when the state is true. */
  let shown = 0;
  /** The same, but for the end of one session: a body that names another one may be older than that. */
  let known = 0;
  let endedId: string | undefined;
  let heldUntil = 0;
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
    tick: (received = 0) => (clock = Math.max(Date.now(), clock + 1, received)),
    apply: (body, time, ended, isReceived) => {
      const { session, reason } = body;
      if (time < (session && session.id !== endedId ? known : shown)) return;
      // It was replaced before its end was noticed.
      if (ended && state.user && state.session?.id !== ended) return;
      if (Date.now() < heldUntil && (ended || reason === "unknown_session")) {
        setTimeout(ask, askPause);
        return;
      }
      shown = time;
      if (ended) endedId = ended;
      else known = time;
      set({ ...body, status: body.user ? "signed-in" : "signed-out", error: null } as SessionState);
      if (!isReceived) publish(body, time, ended);
    },
    hold: (calls) => { heldUntil = calls && Date.now() + holdTimeout; },
    fail: (error) => { set({ ...state, error }); },
  };
}
