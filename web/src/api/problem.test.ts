import { Problem } from "@handstamp/client";
import { expect, test } from "vitest";
import { isProblem, isWorthRetrying, messageOf, problemOf } from "./problem";

function response(status: number, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers });
}

test("a problem keeps what the server said", () => {
  const headers = { "content-type": "application/problem+json", "retry-after": "120" };
  const body = { code: "too_many_attempts", detail: "Too many attempts.", errors: {} };
  const problem = problemOf(response(429, headers), body);
  expect(problem).toMatchObject({ status: 429, code: "too_many_attempts", retryAfter: 120 });
  expect(messageOf(problem)).toBe("Too many attempts. (in 2 minutes)");
  expect(isProblem(problem, "too_many_attempts")).toBe(true);
  expect(isProblem(problem, "busy")).toBe(false);
});

test("a gateway's error page is a problem without a code", () => {
  const problem = problemOf(response(502, { "content-type": "text/html" }), "<h1>Bad gateway</h1>");
  expect(problem).toMatchObject({ status: 502, code: "unknown", retryAfter: undefined });
  expect(messageOf(problem)).toBe("Something went wrong.");
});

test("any other error is an unreachable server", () => {
  expect(messageOf(new TypeError("Failed to fetch"))).toContain("cannot be reached");
  expect(isProblem(new TypeError("Failed to fetch"), "unknown")).toBe(false);
});

test("a refusal is not retried, a fault is, twice", () => {
  expect(isWorthRetrying(0, new Problem(402, {}))).toBe(false);
  expect(isWorthRetrying(1, new Problem(503, {}))).toBe(true);
  expect(isWorthRetrying(1, new TypeError("Failed to fetch"))).toBe(true);
  expect(isWorthRetrying(2, new Problem(503, {}))).toBe(false);
});
