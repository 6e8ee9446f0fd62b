import type { Store } from "./store.js";

/** How long the server may take to say that the stream is open; a proxy may hold it back. */
const openTimeout = 8_000;

/** A page that is being left has its stream cut off, which looks like a refusal. */
const unloadTime = 500;

/** The event stream of the session, for the one tab that reads it. */
export interface Stream {
  /** Opens it whenever somebody is logged in. `behind`: changes may have been missed. */
  lead: (behind: boolean) => void;
  /** Opens it again: the connection may be dead without anybody noticing. */
  renew: () => void;
  /** Opens it and asks for the session, unless it is open; then asks if `isDue`. */
  revive: (isDue?: boolean) => void;
  close: () => void;
  isLive: () => boolean;
}

/** The wait after so many failures: 1 s, doubled up to about four minutes, spread by half. */
export function backOff(failures: number): number {
  return 1_000 * 2 ** Math.min(failures, 8) * (0.5 + Math.random());
}

/** Calls `ask` when there may be something to learn from the server; `isSure` at a change, and once at a loss. */
export function createStream(url: string, store: Store, ask: (isSure?: boolean) => void): Stream {
  let source: EventSource | undefined;
  /** The public id of the session that it is for. */
  let id: string | undefined;
  let leading = false;
  let live = false;
  let behind = false;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const shut = () => {
    clearTimeout(timer);
    timer = undefined;
    source?.close();
    source = undefined;
    live = false;
  };

  const open = () => {
    shut();
    if (!leading || !id) return;
    source = new EventSource(url, { withCredentials: true });
    timer = setTimeout(giveUp, openTimeout);
    source.onerror = () => {
      live = false;
      behind = true;
      // The server refused and the browser leaves it at that, or it tries again by itself.
      if (source?.readyState === EventSource.CLOSED) {
        clearTimeout(timer);
        timer = setTimeout(giveUp, unloadTime);
      } else timer ??= setTimeout(giveUp, openTimeout);
    };
    source.addEventListener("session", ({ data }: MessageEvent<string>) => {
      const { state, reason } = JSON.parse(data) as { state: string; reason: string };
      if (state === "ended") {
        store.apply({ user: null, session: null, reauthentication: null, reason }, store.tick(), id);
        return;
      }
      clearTimeout(timer);
      timer = undefined;
      failures = 0;
      live = true;
      const isChanged = state === "changed";
      if (behind || isChanged) ask(isChanged);
      behind = false;
    });
  };

  // An EventSource does not say why it was refused: whether the session has ended (204, 401), or
  // there are too many streams (429), or the server is away (5xx). Asking for the session does.
  const giveUp = () => {
    shut();
    behind = true;
    ask(!failures);
    timer = setTimeout(open, backOff(failures++));
  };

  store.subscribe(() => {
    const next = store.get().session?.id;
    if (next === id) return;
    id = next;
    behind = false;
    failures = 0;
    open();
  });

  return {
    lead: (isBehind) => {
      leading = true;
      behind = isBehind;
      open();
    },
    renew: () => {
      behind = true;
      failures = 0;
      open();
    },
    revive: (isDue) => {
      // Else it is open, or about to be for the first time.
      const isClosed = !live && (!source || behind);
      if (!source) open();
      if (isClosed || isDue) ask();
    },
    close: () => {
      leading = false;
      shut();
    },
    isLive: () => live,
  };
}
