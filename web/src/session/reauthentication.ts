import { useSyncExternalStore } from "react";
import { api, unwrap } from "../api/client";
import { isProblem } from "../api/problem";

/** The user did not give the password that a call needed. */
export class NotConfirmed extends Error {
  override readonly name = "NotConfirmed";
}

interface Request {
  promise: Promise<void>;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** The calls that wait for the password share one request. */
let request: Request | null = null;
const listeners = new Set<() => void>();

function set(next: Request | null): void {
  request = next;
  listeners.forEach((listener) => { listener(); });
}

/** Makes a call; once more when it needs a fresh proof of who asks, and the user has given it. */
export async function withReauthentication<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!isProblem(error, "reauthentication_required")) throw error;
    await ask();
    return call();
  }
}

function ask(): Promise<void> {
  if (request) return request.promise;
  const { promise, resolve, reject } = withResolvers();
  set({ promise, resolve, reject });
  return promise;
}

function withResolvers(): Request {
  let settle: Omit<Request, "promise"> = { resolve: () => undefined, reject: () => undefined };
  const promise = new Promise<void>((resolve, reject) => { settle = { resolve, reject }; });
  return { promise, ...settle };
}

async function confirm(password: string): Promise<void> {
  await unwrap(api.POST("/reauthenticate", { body: { password } }));
  request?.resolve();
  set(null);
}

function cancel(): void {
  request?.reject(new NotConfirmed("The password was not given."));
  set(null);
}

/** For the dialog: whether a call waits for the password, and what to do about it. */
export function useReauthentication() {
  const isRequired = useSyncExternalStore(subscribe, () => request !== null);
  return { isRequired, confirm, cancel };
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
