import type { Client } from "./client.js";
import { asProblem, type Problem } from "./problem.js";
import type { OwnSession } from "./types.js";

/** The user's sessions, as far as they are known. */
export interface SessionList {
  /** Null before the first response, and for visitors. */
  sessions: OwnSession[] | null;
  /** Why the last request failed. */
  error: Problem | null;
}

export interface SessionListStore {
  get: () => SessionList;
  subscribe: (listener: () => void) => () => void;
  refresh: () => Promise<void>;
  end: (id: string) => Promise<void>;
  endOthers: () => Promise<void>;
}

export const noList: SessionList = { sessions: null, error: null };
const stores = new WeakMap<Client, SessionListStore>();

/** One list for all components that show it. */
export function sessionListOf(client: Client): SessionListStore {
  let store = stores.get(client);
  if (!store) stores.set(client, (store = createSessionList(client)));
  return store;
}

function createSessionList(client: Client): SessionListStore {
  const listeners = new Set<() => void>();
  let list = noList;
  /** Whose list it is, by the public id of the session. */
  let id: string | undefined;
  let turn = 0;
  let loading = false;
  let leave: () => void;

  const set = (next: SessionList) => {
    list = next;
    listeners.forEach((listener) => { listener(); });
  };

  const refresh = async () => {
    const mine = ++turn;
    loading = true;
    let next: SessionList;
    try {
      next = { sessions: await client.sessions(), error: null };
    } catch (error) {
      next = { ...list, error: asProblem(error) };
    }
    // A later request knows better.
    if (mine !== turn) return;
    loading = false;
    set(next);
  };

  const follow = () => {
    const next = client.getState().session?.id;
    if (next === id) return;
    id = next;
    turn += 1;
    loading = false;
    set(noList);
    if (id) void refresh();
  };

  return {
    get: () => list,
    subscribe: (listener) => {
      listeners.add(listener);
      if (listeners.size === 1) {
        leave = client.subscribe(follow);
        // What was loaded before may be old; what is being loaded is not.
        if (!loading) id = undefined;
        follow();
      }
      return () => {
        listeners.delete(listener);
        if (!listeners.size) leave();
      };
    },
    refresh,
    end: async (ended) => {
      await client.endSession(ended);
      // None is left to list once it was this one.
      if (id) await refresh();
    },
    endOthers: async () => {
      await client.endOtherSessions();
      await refresh();
    },
  };
}
