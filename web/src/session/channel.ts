/** Tells the other tabs of this browser that somebody has logged in or out. */
const channel = new BroadcastChannel("session");

export function announceSessionChange(): void {
  channel.postMessage("changed");
}

/** Calls `listener` when another tab has announced a change; what it returns ends that. */
export function onSessionChange(listener: () => void): () => void {
  channel.addEventListener("message", listener);
  return () => {
    channel.removeEventListener("message", listener);
  };
}
