import { useSyncExternalStore } from "react";

/** Why a session ended, as the server says it. */
export type EndReason =
  | "logged_out"
  | "revoked"
  | "password_changed"
  | "disabled"
  | "deleted"
  | "expired";

let ended: EndReason | null = null;
const listeners = new Set<() => void>();

function set(reason: EndReason | null): void {
  ended = reason;
  listeners.forEach((listener) => { listener(); });
}

/** Notes that the session ended without this page asking for it. */
export function reportEnd(reason: EndReason): void {
  set(reason);
}

/** Forgets it: it was read, or somebody has logged in again. */
export function dismissEnd(): void {
  set(null);
}

/** Why the session ended; null when it did not, or the user ended it here. */
export function useEnded(): EndReason | null {
  return useSyncExternalStore(subscribe, () => ended);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

/** The reason of a 401 in the words of an end; a session that is not there was ended elsewhere. */
export function endReasonOf(reason: string | undefined): EndReason {
  switch (reason) {
    case "expired":
      return "expired";
    case "user_gone":
      return "deleted";
    default:
      return "revoked";
  }
}
