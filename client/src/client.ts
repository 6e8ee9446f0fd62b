import { asProblem, Problem, problemOf } from "./problem.js";
import { createPrompt, type ReauthenticationRequest } from "./reauthentication.js";
import { createStore } from "./store.js";
import { backOff, createStream } from "./stream.js";
import { createTabs, type Tabs } from "./tabs.js";
import type {
  Login,
  OwnSession,
  PasswordChange,
  PasswordReset,
  SecondFactor,
  SessionBody,
  SessionState,
  Signup,
  User,
  VerifyEmail,
} from "./types.js";

export interface ClientOptions {
  /** Where the API lives: a path such as `/api`, or another origin. Default: the page's own root. */
  baseUrl?: string;
}

/** The session of this browser, and what a page does with it. Calls reject with a {@link Problem}. */
export interface Client {
  /** What is known, without a request. */
  getState: () => SessionState;
  /** Calls `listener` after every change. The first subscriber makes the client ask the server. */
  subscribe: (listener: () => void) => () => void;
  /** What is known, once something is: after a failure the client tries again. */
  session: () => Promise<SessionState>;
  /** Asks the server again. */
  refresh: () => Promise<SessionState>;
  /**
   * Resolves with the session already set; where addresses have to be verified first
   * (`EMAIL_VERIFICATION=required`), with `{ next: "verify_email" }` once the link is sent.
   */
  signup: (account: Signup | FormData) => Promise<User | VerifyEmail>;
  /**
   * Resolves with the session already set; for an account with a second factor, with what it takes
   * (`{ next: "second_factor", methods }`), and nobody is logged in yet.
   */
  login: (credentials: Login | FormData) => Promise<User | SecondFactor>;
  logout: () => Promise<void>;
  /** Where the user is logged in. */
  sessions: () => Promise<OwnSession[]>;
  endSession: (id: string) => Promise<void>;
  endOtherSessions: () => Promise<void>;
  /** The user's other sessions end. */
  changePassword: (change: PasswordChange) => Promise<void>;
  /** Sends a link to choose a new password to the owner of the address, if it has an account. */
  forgotPassword: (email: string) => Promise<void>;
  /** Sets a password with the token of such a link; every session of its user ends, this one too. */
  resetPassword: (reset: PasswordReset) => Promise<void>;
  /** Sends the link again that verifies the user's address. */
  requestVerification: () => Promise<void>;
  /** Sends a link to another address of the user's; the address changes when it is used. */
  changeEmail: (email: string) => Promise<void>;
  /** Verifies or changes an address with the token of a link, or takes a change back. */
  verifyEmail: (token: string) => Promise<void>;
  /** The user, their sessions and their credentials are gone. */
  deleteAccount: () => Promise<void>;
  /** Proves who the user is; calls that wait for it go on. */
  reauthenticate: (password: string) => Promise<void>;
  /** Any call of the API, in JSON; one that needs a proof waits for it. */
  call: (method: string, path: string, body?: object) => Promise<unknown>;
  /** A call that logs in: resolves with the session already set, unless the server wants more first. */
  loginWith: (path: string, body: object) => Promise<User | VerifyEmail | SecondFactor>;
  /** A call that proves who the user is: calls that wait for it go on. */
  prove: (path: string, body: object) => Promise<void>;
  /** The call that waits for a proof, if any. */
  getReauthentication: () => ReauthenticationRequest | null;
  /** For the dialog that asks for it. While nobody listens, such calls fail. */
  onReauthentication: (listener: () => void) => () => void;
  /**
   * `fetch`, for the app's own API: a `401` makes the client ask for the session, and a
   * `403 reauthentication_required` is retried once after a proof.
   */
  fetch: typeof fetch;
  /** Ends timers, listeners and the stream, until it is asked again. */
  close: () => void;
}

/** A `401` makes the client ask for the session at most this often. */
const recheckPause = 5_000;
/** How long the server may take to say who is logged in. */
const readTimeout = 10_000;

export function createClient({ baseUrl = "" }: ClientOptions = {}): Client {
  const base = baseUrl.replace(/\/$/, "");
  const store = createStore(
    (body, time, ended) => { tabs.publish(body, time, ended); },
    nudge,
  );
  const stream = createStream(`${base}/session/events`, store, (isSure) => { tabs.ask(isSure); });
  const tabs: Tabs = createTabs(`handstamp ${base}`, store, stream, nudge);
  const reauthenticate = (password: string) => prove("/reauthenticate", { password });
  const prompt = createPrompt(reauthenticate);
  let started = false;
  let reading: Promise<SessionState> | undefined;
  let again = false;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let rechecked = 0;
  let calls = 0;
  /** The server has asked not to be asked before. */
  let notBefore = 0;
  /** Why this tab's own call may have ended the session; the server does not know any more. */
  let cause: string | undefined;
  /** The session of the call that waits for a proof. */
  let waiting: SessionState["session"] = null;

  /** Whether another session than `before` is shown. */
  const isReplaced = (before: SessionState["session"]) => before && before.id !== store.get().session?.id;

  const guarded: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const copy = request.clone();
    const { session } = store.get();
    const response = await fetch(request);
    const { status } = response;
    if (status === 401 && store.get().user && Date.now() - rechecked > recheckPause) {
      rechecked = Date.now();
      nudge();
    }
    if (status !== 403) return response;
    const problem = await problemOf(response);
    // Nobody else's proof is for this call.
    if (problem.code !== "reauthentication_required" || isReplaced(session)) return response;
    if (!prompt.get()) waiting = session;
    return (await prompt.ask(problem)) ? fetch(copy) : response;
  };

  const send = async (
    method: string,
    path: string,
    body?: object,
    by = guarded,
    signal: AbortSignal | null = null,
  ): Promise<unknown> => {
    try {
      const response = await by(base + path, {
        method,
        credentials: "include",
        signal,
        ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
      });
      if (!response.ok) throw await problemOf(response);
      const text = await response.text();
      return text ? JSON.parse(text) : undefined;
    } catch (error) {
      throw asProblem(error);
    }
  };

  const learn = (body: unknown, time: number) => {
    const state = body as SessionBody;
    const { user, reason } = state as Partial<SessionBody>;
    // Somebody else's JSON: nobody is logged out by that.
    if (user === undefined) throw asProblem(body);
    // The session goes on, and its browser may be able to prove its device again in a moment.
    if (reason === "device_proof_missing" && store.get().user) throw new Problem(401, { reason });
    store.apply(cause && !user ? { ...state, reason: cause } : state, time);
  };

  const read = async () => {
    clearTimeout(retry);
    const time = store.tick();
    try {
      const signal = AbortSignal.timeout(readTimeout);
      learn(await send("GET", "/session", undefined, fetch, signal), time);
      failures = notBefore = 0;
    } catch (error) {
      const problem = asProblem(error);
      const wait = (problem.retryAfter ?? 0) * 1_000;
      notBefore = Date.now() + wait;
      if (started) retry = setTimeout(load, Math.max(wait, backOff(failures++)));
      store.fail(problem);
    }
  };

  /** One request at a time; a call during it makes another one follow, as it may come too late. */
  const load = (): Promise<SessionState> => {
    again = true;
    reading ??= (async () => {
      while (again) {
        again = false;
        await read();
      }
      reading = undefined;
      return store.get();
    })();
    return reading;
  };

  function nudge() {
    if (Date.now() >= notBefore) void load();
  }

  const start = () => {
    if (started || typeof document === "undefined") return;
    started = true;
    tabs.start();
    void load();
  };

  /** Deletes what keeps somebody logged in on this session: by this tab's own doing nobody is any more. */
  const leave = async (path: string, reason: string) => {
    await send("DELETE", path);
    store.apply({ user: null, session: null, reauthentication: null, reason }, store.tick());
  };

  const logout = () => leave("/logout", "logged_out");

  /** Asks again after a call that may have changed the user, or ended their session for `reason`. */
  const follow = async (reason?: string) => {
    const { status, user } = store.get();
    if (!started || status === "signed-out") return;
    cause = user ? reason : undefined;
    await load();
    cause = undefined;
  };

  /** Makes a call after which the browser has another cookie; requests under way have the one before. */
  const replace = async <T>(call: () => Promise<T>): Promise<T> => {
    const result = call();
    tabs.hold(++calls);
    try {
      return await result;
    } finally {
      tabs.hold(--calls);
    }
  };

  /** Logs in, unless the server says what is to be done first. */
  const loginWith = (path: string, body: object) => replace(async () => {
    start();
    const before = store.get().session;
    const fields = body instanceof FormData ? Object.fromEntries(body) : body;
    const user = (await send("POST", path, fields)) as User | VerifyEmail | SecondFactor;
    if ("next" in user) {
      // The session that came along is gone.
      if (before) await load();
      return user;
    }
    const time = store.tick();
    const { status, error, reason } = await load();
    if (error) {
      // Logged in all the same; the rest comes with the next attempt.
      store.apply({ user, session: null, reauthentication: null, reason: null }, time);
      store.fail(error);
    } else if (status !== "signed-in" || (before && !isReplaced(before))) {
      const detail = "The browser kept no cookie.";
      throw new Problem(401, { code: "not_logged_in", detail, reason: reason ?? "" });
    }
    return user;
  });

  /** Sends a proof of who the user is. */
  const prove = async (path: string, body: object) => {
    await replace(async () => {
      learn(await send("POST", path, body), store.tick());
    });
    prompt.settle(true);
  };

  store.subscribe(() => {
    const { user, session } = store.get();
    if (!user || isReplaced((waiting ??= session))) prompt.settle(false);
  });

  return {
    getState: store.get,
    subscribe: (listener) => {
      start();
      return store.subscribe(listener);
    },
    session: async () => {
      start();
      while (started && store.get().status === "loading") {
        await new Promise<void>((resolve) => {
          const stop = store.subscribe(() => {
            stop();
            resolve();
          });
        });
      }
      return store.get();
    },
    refresh: () => {
      start();
      return load();
    },
    signup: (account) => loginWith("/signup", account) as Promise<User | VerifyEmail>,
    login: (credentials) => loginWith("/login", credentials) as Promise<User | SecondFactor>,
    logout,
    sessions: async () => ((await send("GET", "/sessions")) as { sessions: OwnSession[] }).sessions,
    endSession: async (id) => {
      // The server then knows that it was the user's own doing, as the other tabs do.
      if (id === store.get().session?.id) return logout();
      await send("DELETE", `/sessions/${encodeURIComponent(id)}`);
    },
    endOtherSessions: async () => {
      await send("DELETE", "/sessions");
    },
    changePassword: (change) =>
      replace(async () => {
        await send("POST", "/password", change);
        await load();
      }),
    forgotPassword: async (email) => {
      await send("POST", "/password/forgot", { email });
    },
    resetPassword: async (reset) => {
      await send("POST", "/password/reset", reset);
      await follow("password_changed");
    },
    requestVerification: async () => {
      await send("POST", "/email/verification");
      // There may have been nothing to verify any more.
      await follow();
    },
    changeEmail: async (email) => {
      await send("POST", "/email", { email });
    },
    verifyEmail: async (token) => {
      await send("POST", "/email/verify", { token });
      await follow();
    },
    deleteAccount: () => leave("/account", "deleted"),
    reauthenticate,
    call: send,
    loginWith,
    prove,
    getReauthentication: prompt.get,
    onReauthentication: prompt.subscribe,
    fetch: guarded,
    close: () => {
      started = false;
      tabs.stop();
      clearTimeout(retry);
    },
  };
}
