import type { Store } from "./store.js";
import type { Stream } from "./stream.js";
import type { SessionBody } from "./types.js";

/** How long the leading tab may take to respond; one that a phone has suspended does not. */
const patience = 2_000;
/** Browsers run a hidden page's timers once a minute; a longer gap was a sleep. */
const beat = 15_000;
const sleep = 80_000;
/** A focus asks the server at most this often. */
const pause = 5_000;

interface Message {
  /** The sender's clock. */
  time: number;
  /** What it has learned. */
  body?: SessionBody;
  /** Asks the leading tab for a sign of life. */
  hello?: true;
  /** The sign of life: whether its stream is open. */
  live?: boolean;
}

/** What the tabs of a browser have in common: what they know, and one event stream. */
export interface Tabs {
  publish: (body: SessionBody, time: number) => void;
  start: () => void;
  stop: () => void;
}

export function createTabs(name: string, store: Store, stream: Stream, load: () => void): Tabs {
  let channel: BroadcastChannel | undefined;
  let listening: AbortController | undefined;
  let queue: AbortController | undefined;
  let release: (() => void) | undefined;
  let leading = false;
  let joined = false;
  /** Another tab leads, or did. */
  let followed = false;
  let focused = false;
  let silence: ReturnType<typeof setTimeout> | undefined;
  let ticking: ReturnType<typeof setInterval> | undefined;
  let ticked = 0;
  let asked = 0;

  const post = (message: Omit<Message, "time">, time = store.tick()) => {
    channel?.postMessage({ ...message, time });
  };

  const lead = () => {
    leading = true;
    clearTimeout(silence);
    stream.lead(followed);
  };

  // Whoever holds the lock leads. It passes on when the tab is closed, crashes or is suspended.
  const compete = (options: LockOptions) => {
    let held = false;
    const hold = () =>
      new Promise<void>((resolve) => {
        held = true;
        release = resolve;
        lead();
      });
    navigator.locks.request(name, options, hold).catch(() => {
      // Stolen, as this tab was taken for dead.
      if (!held || !joined) return;
      leading = false;
      followed = true;
      stream.close();
      enqueue();
    });
  };

  const enqueue = () => {
    const { signal } = (queue = new AbortController());
    compete({ signal });
  };

  const hello = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      queue?.abort();
      followed = true;
      compete({ steal: true });
    }, patience);
    post({ hello: true });
  };

  const receive = ({ data }: MessageEvent<Message>) => {
    store.tick(data.time);
    if (data.body) store.apply(data.body, data.time, "other tab");
    if (leading) {
      if (data.hello) post({ live: stream.isLive() });
    } else if (data.live !== undefined) {
      clearTimeout(silence);
      followed = true;
      if (focused && !data.live) load();
      focused = false;
    }
  };

  const join = () => {
    joined = true;
    followed = false;
    ticked = Date.now();
    ticking = setInterval(notice, beat);
    channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(name) : undefined;
    channel?.addEventListener("message", receive);
    // Outside https and localhost there are no locks: each tab has a stream of its own.
    if (!channel || !("locks" in navigator)) {
      lead();
      return;
    }
    hello();
    enqueue();
  };

  const leave = () => {
    joined = false;
    leading = false;
    clearInterval(ticking);
    clearTimeout(silence);
    stream.close();
    release?.();
    queue?.abort();
    channel?.close();
    channel = undefined;
  };

  const wake = () => {
    if (leading) stream.renew();
    else hello();
  };

  /** Notices that the machine slept. */
  const notice = () => {
    const now = Date.now();
    if (now - ticked > sleep) wake();
    ticked = now;
  };

  const focus = () => {
    if (document.hidden || !joined) return;
    notice();
    const now = Date.now();
    const { status, error } = store.get();
    if (now - asked < pause || (status !== "signed-in" && !error)) return;
    asked = now;
    if (error) load();
    if (leading) stream.revive();
    else {
      focused = true;
      hello();
    }
  };

  const comeBack = () => {
    if (joined) return;
    join();
    load();
  };

  return {
    publish: (body, time) => { post({ body }, time); },
    start: () => {
      const { signal } = (listening = new AbortController());
      addEventListener("focus", focus, { signal });
      document.addEventListener("visibilitychange", focus, { signal });
      addEventListener("online", wake, { signal });
      // A page that is kept for the back button, or frozen, holds neither stream nor lock.
      addEventListener("pagehide", leave, { signal });
      document.addEventListener("freeze", leave, { signal });
      addEventListener("pageshow", comeBack, { signal });
      document.addEventListener("resume", comeBack, { signal });
      join();
    },
    stop: () => {
      leave();
      listening?.abort();
    },
  };
}
