import { Problem } from "@handstamp/client";

/** The problem in a response whose body was read; a gateway's error page counts as one. */
export function problemOf(response: Response, body: unknown): Problem {
  const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
  const retryAfter = Number(response.headers.get("retry-after")) || undefined;
  return new Problem(
    response.status,
    isProblem && typeof body === "object" && body !== null ? body : {},
    retryAfter,
  );
}

/** Whether `error` is a problem with this code. */
export function isProblem(error: unknown, code: string): error is Problem {
  return error instanceof Problem && error.code === code;
}

/** The message to show for `error`. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Problem) || error.status === 0) {
    return "The server cannot be reached. Try again.";
  }
  if (error.code === "mail_not_configured") {
    return "This site sends no mail, so no link can come. Ask the people who run it.";
  }
  if (error.retryAfter !== undefined && error.retryAfter > 1) {
    return `${error.detail} (in ${waitOf(error.retryAfter)})`;
  }
  return error.detail;
}

function waitOf(seconds: number): string {
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}

/** Whether a retry may help: not after a refusal by the server. */
export function isWorthRetrying(failures: number, error: unknown): boolean {
  const isRefusal = error instanceof Problem && error.status > 0 && error.status < 500;
  return !isRefusal && failures < 2;
}
