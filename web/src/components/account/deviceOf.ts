import type { Session } from "../../api/client";

/** The name of a browser for people, from its User-Agent. */
export function deviceOf({ user_agent: agent }: Pick<Session, "user_agent">): string {
  if (!agent) return "An unnamed program";
  const browser = ["Edg", "Firefox", "Chrome", "Safari"].find((name) => agent.includes(`${name}/`));
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"].find((name) =>
    agent.includes(name),
  );
  if (!browser) return agent.split(/[/ ]/)[0] ?? agent;
  const name = browser === "Edg" ? "Edge" : browser;
  return system ? `${name} on ${system === "Mac OS X" ? "macOS" : system}` : name;
}
