/** Tells this browser's other tabs about a login or logout. */
const channel = new BroadcastChannel("session");

export function announceSessionChange(): void {
  channel.postMessage("changed");
}

/** Calls `listener` when another tab announces a change; returns a function that unsubscribes. */
export function onSessionChange(listener: () => void): () => void {
  channel.addEventListener("message", listener);
  return () => {
    channel.removeEventListener("message", listener);
  };
}
