/** What tests cannot have otherwise: a server that misbehaves on cue, and the browser's streams and locks. */
import { vi } from "vitest";
import type { SessionBody } from "../src/types.js";

export const ann = { id: "1", username: "Ann", email: null, email_verified: false, created_at: "2026-01-01T00:00:00Z" };

/** The body of `GET /session` for Ann, on the session with this public id. */
export function annOn(id: string): SessionBody {
  const session = {
    id,
    created_at: "2026-01-01T00:00:00Z",
    authenticated_at: "2026-01-01T00:00:00Z",
    expires_at: "2026-01-31T00:00:00Z",
  };
  const reauthentication = { required_after: "2026-01-01T00:10:00Z", methods: ["password"] };
  return { user: ann, session, reauthentication, reason: null };
}

export const ben = { ...ann, id: "2", username: "Ben" };

export function benOn(id: string): SessionBody {
  return { ...annOn(id), user: ben };
}

export const visitor: SessionBody = {
  user: null,
  session: null,
  reauthentication: null,
  reason: "no_cookie",
};

/** With the cookie of a session that has ended. */
export const unknown: SessionBody = { ...visitor, reason: "unknown_session" };

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  const type = status < 400 ? "application/json" : "application/problem+json";
  const text = status === 204 ? null : JSON.stringify(body);
  return new Response(text, { status, headers: { "content-type": type, ...headers } });
}

/** A response that the test lets arrive. */
export function pending() {
  let arrive: (response: Response) => void = () => undefined;
  const response = new Promise<Response>((resolve) => { arrive = resolve; });
  return { response: () => response, arrive };
}

export const down = () => Promise.reject(new TypeError("Failed to fetch"));

type Reply = Response | Promise<Response> | (() => Response | Promise<Response>);

/** A server: its response to each request, and the requests that it got. */
export class FakeServer {
  readonly requests: string[] = [];
  readonly bodies: string[] = [];
  private readonly replies = new Map<string, Reply>();

  constructor() {
    vi.stubGlobal("fetch", async (input: RequestInfo | URL, init?: RequestInit) => {
      // jsdom's signals are not Node's.
      const rest = { ...init };
      delete rest.signal;
      const request = new Request(input, rest);
      const name = `${request.method} ${new URL(request.url).pathname}`;
      this.requests.push(name);
      this.bodies.push(await request.text());
      const reply = this.replies.get(name) ?? (() => json({ code: "not_found" }, 404));
      return typeof reply === "function" ? reply() : (await reply).clone();
    });
  }

  respond(request: string, reply: Reply): void {
    this.replies.set(request, reply);
  }

  count(request: string): number {
    return this.requests.filter((name) => name === request).length;
  }
}

/** An `EventSource` whose server is the test. */
export class FakeEventSource extends EventTarget {
  static readonly CLOSED = 2;
  static opened: FakeEventSource[] = [];

  /** The newest. */
  static get last(): FakeEventSource {
    const last = FakeEventSource.opened.at(-1);
    if (!last) throw new Error("no stream was opened");
    return last;
  }

  readyState = 0;
  onerror: (() => void) | null = null;

  constructor(readonly url: string) {
    super();
    FakeEventSource.opened.push(this);
  }

  send(data: object): void {
    this.readyState = 1;
    this.dispatchEvent(new MessageEvent("session", { data: JSON.stringify(data) }));
  }

  /** The server responded with an error: the browser does not try again. */
  refuse(): void {
    this.readyState = FakeEventSource.CLOSED;
    this.onerror?.();
  }

  /** The connection was lost: the browser tries again by itself. */
  lose(): void {
    this.readyState = 0;
    this.onerror?.();
  }

  close(): void {
    this.readyState = FakeEventSource.CLOSED;
  }
}

interface Entry {
  name: string;
  isShared: boolean;
  grant: () => void;
  steal: () => void;
}

type Hold<T> = (lock: object | null) => T | Promise<T>;

/** `navigator.locks`: exclusive or shared, with `signal`, `steal` and `ifAvailable`. */
export class FakeLocks {
  private held: Entry[] = [];
  private queue: Entry[] = [];

  request<T>(name: string, given: LockOptions | Hold<T>, hold?: Hold<T>): Promise<T> {
    const options = typeof given === "function" ? {} : given;
    const run = typeof given === "function" ? given : hold;
    return new Promise((resolve, reject) => {
      const aborted = () => { reject(new DOMException("", "AbortError")); };
      const finish = (result: T | Promise<T> | undefined) =>
        Promise.resolve(result).then((value) => { resolve(value as T); }, reject);
      const entry: Entry = {
        name,
        isShared: options.mode === "shared",
        grant: () => {
          this.held.push(entry);
          void finish(run?.(entry)).finally(() => {
            this.held = this.held.filter((other) => other !== entry);
            this.next(name);
          });
        },
        steal: aborted,
      };
      if (options.steal) {
        const [stolen, rest] = [this.holders(name), this.held.filter((other) => other.name !== name)];
        this.held = rest;
        stolen.forEach((holder) => { holder.steal(); });
        entry.grant();
        return;
      }
      this.queue.push(entry);
      this.next(name);
      if (!this.queue.includes(entry)) return;
      const leave = () => { this.queue = this.queue.filter((other) => other !== entry); };
      if (options.ifAvailable) {
        leave();
        void finish(run?.(null));
      }
      options.signal?.addEventListener("abort", () => {
        if (!this.queue.includes(entry)) return;
        leave();
        aborted();
      });
    });
  }

  private holders(name: string): Entry[] {
    return this.held.filter((entry) => entry.name === name);
  }

  /** Grants what is first in the queue, as long as it gets along with what is held. */
  private next(name: string): void {
    const first = this.queue.find((entry) => entry.name === name);
    const holders = this.holders(name);
    if (!first || (holders.length > 0 && !(first.isShared && holders.every(({ isShared }) => isShared)))) return;
    this.queue = this.queue.filter((entry) => entry !== first);
    first.grant();
    this.next(name);
  }
}
