import type { Session } from "../../api/client";

type Device = Pick<Session, "user_agent">;

const BROWSERS = ["Edg", "Firefox", "Chrome", "Safari"];

/** The name of a browser for people, from its User-Agent. */
export function deviceOf({ user_agent: agent }: Device): string {
  if (!agent) return "An unnamed program";
  const browser = browserOf(agent);
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux"].find((name) =>
    agent.includes(name),
  );
  if (!browser) return agent.split(/[/ ]/)[0] ?? agent;
  const name = browser === "Edg" ? "Edge" : browser;
  return system ? `${name} on ${system === "Mac OS X" ? "macOS" : system}` : name;
}

/** What to draw for it. */
export function kindOf({ user_agent: agent }: Device): "phone" | "computer" | "program" {
  if (!agent || !browserOf(agent)) return "program";
  return /Android|iPhone|iPad|Mobile/.test(agent) ? "phone" : "computer";
}

function browserOf(agent: string): string | undefined {
  return BROWSERS.find((name) => agent.includes(`${name}/`));
}
