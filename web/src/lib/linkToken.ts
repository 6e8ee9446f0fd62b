/** The token of the link in a mail that led here: taken out of the address as soon as it is there. */
import { useSyncExternalStore } from "react";

let token = "";
const listeners = new Set<() => void>();

function set(next: string): void {
  token = next;
  listeners.forEach((listener) => { listener(); });
}

/** Moves the token from the address, and so from the history, into this page's memory. */
function take(): void {
  const found = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (found === undefined) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  set(found);
}

/** Begins; before the router, which is to see the address without it. */
export function watchLinks(): void {
  take();
  // A link that is opened in a tab that shows its page already loads nothing.
  addEventListener("popstate", take);
  addEventListener("hashchange", take);
}

/** The token, for the one use that it has; there is none from then on. */
export function spendToken(): string {
  const taken = token;
  if (taken) set("");
  return taken;
}

/** The token; empty while there is none. */
export function useLinkToken(): string {
  return useSyncExternalStore(subscribe, () => token);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
