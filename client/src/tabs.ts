import type { Store } from "./store.js";
import type { Stream } from "./stream.js";
import type { SessionBody } from "./types.js";

/** How long the leading tab may take to respond; one that a phone has suspended does not. */
const responseTimeout = 2_000;
/** Browsers run a hidden page's timers once a minute; a longer gap was a sleep. */
const beat = 15_000;
const sleep = 80_000;
/** A focus asks the server at most this often. */
const pause = 5_000;
/** How long after the last key, click, focus or waking up a page counts as used. */
const attention = 300_000;

interface Message {
  /** The sender's clock. */
  time: number;
  /** What it has learned. */
  body?: SessionBody;
  /** The session whose end is all that it has learned. */
  ended?: string | undefined;
  /** So many calls of the sender are under way that give the browser another cookie. */
  hold?: number;
  /** There is something to learn, for a tab that somebody uses. */
  ask?: true;
  /** Asks the leading tab for a sign of life. */
  hello?: true;
  /** The sign of life: whether its stream is open. */
  live?: boolean;
}

/** What the tabs of a browser have in common: what they know, and one event stream. */
export interface Tabs {
  publish: (body: SessionBody, time: number, ended?: string) => void;
  hold: (calls: number) => void;
  /**
   * Asks for the session, or leaves that to a tab that is used, as asking keeps the session alive.
   * What `isSure` to be news does not wait for that.
   */
  ask: (isSure?: boolean) => void;
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
  /** Nobody has used the page since there was something to ask. */
  let owed = false;
  let used = 0;
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

  const follow = () => {
    leading = false;
    followed = true;
    stream.close();
  };

  // The tab that holds the lock leads. It passes on when the tab is closed, crashes or is suspended.
  const compete = (options: LockOptions) => {
    let held = false;
    const joinedBy = channel;
    const hold = async () => {
      // It was granted after the tab has left.
      if (channel !== joinedBy) return;
      held = true;
      await new Promise<void>((resolve) => {
        release = resolve;
        lead();
      });
    };
    navigator.locks.request(name, options, hold).catch(() => {
      // Stolen, as this tab was taken for dead.
      if (!held || channel !== joinedBy) return;
      follow();
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
    }, responseTimeout);
    post({ hello: true });
  };

  const receive = ({ data }: MessageEvent<Message>) => {
    store.tick(data.time);
    if (data.body) {
      owed = false;
      store.apply(data.body, data.time, data.ended, true);
    }
    if (data.hold !== undefined) store.hold(data.hold);
    if (data.ask && isUsed()) load();
    if (leading) {
      if (data.hello) post({ live: stream.isLive() });
    } else if (data.live !== undefined) {
      clearTimeout(silence);
      followed = true;
      if (focused && !data.live) load();
      focused = false;
    }
  };

  const isUsed = () => Date.now() - used < attention;

  const use = () => {
    used = Date.now();
    if (!owed) return;
    owed = false;
    load();
  };

  const join = () => {
    joined = true;
    followed = false;
    ticked = Date.now();
    ticking = setInterval(notice, beat);
    channel = new BroadcastChannel(name);
    channel.addEventListener("message", receive);
    if (isAlone()) {
      if (!document.hidden) lead();
      return;
    }
    hello();
    enqueue();
  };

  /** Outside https and localhost there are no locks: each visible tab has a stream of its own. */
  const isAlone = () => !("locks" in navigator);

  const leave = () => {
    joined = false;
    clearInterval(ticking);
    clearTimeout(silence);
    follow();
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
    if (now - ticked > sleep) {
      // Somebody has woken it.
      if (!document.hidden) used = now;
      wake();
    }
    ticked = now;
  };

  const focus = () => {
    if (!joined) return;
    if (!document.hidden) used = Date.now();
    if (isAlone() && leading === document.hidden) {
      follow();
      if (!document.hidden) lead();
      return;
    }
    if (document.hidden) return;
    notice();
    const now = Date.now();
    const { status, error } = store.get();
    const isDue = owed || !!error;
    if (now - asked < pause || (status !== "signed-in" && !error)) return;
    asked = now;
    owed = false;
    if (leading) stream.revive(isDue);
    else {
      if (isDue) load();
      focused = !isDue;
      hello();
    }
  };

  const comeBack = () => {
    if (joined) return;
    join();
    load();
  };

  return {
    publish: (body, time, ended) => { post({ body, ended }, time); },
    hold: (hold) => {
      store.hold(hold);
      post({ hold });
    },
    ask: (isSure) => {
      if (isSure || isUsed()) load();
      else {
        owed = true;
        post({ ask: true });
      }
    },
    start: () => {
      used = Date.now();
      const { signal } = (listening = new AbortController());
      addEventListener("focus", focus, { signal });
      const listeners = {
        visibilitychange: focus,
        keydown: use,
        pointerdown: use,
        online: wake,
        // A page that is kept for the back button, or frozen, holds neither stream nor lock.
        pagehide: leave,
        freeze: leave,
        pageshow: comeBack,
        resume: comeBack,
      };
      for (const [name, listener] of Object.entries(listeners)) {
        // Some are the document's.
        addEventListener(name, listener, { signal, capture: true });
      }
      join();
    },
    stop: () => {
      leave();
      listening?.abort();
    },
  };
}
