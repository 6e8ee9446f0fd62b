/** An error as the API describes it (RFC 9457). */
export class Problem extends Error {
  readonly status: number;
  /** A word that stays the same between versions. */
  readonly code: string;
  /** What is wrong with each field. */
  readonly errors: Record<string, string[]>;
  /** Why nobody is logged in. */
  readonly reason: string | undefined;
  /** What else the problem says. */
  readonly body: object;
  /** Seconds to wait before a retry. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    body: {
      code?: string;
      detail?: string;
      reason?: string;
      errors?: Record<string, string[]>;
    },
    retryAfter?: number,
  ) {
    super(body.detail ?? "Something went wrong.");
    this.name = "Problem";
    this.status = status;
    this.code = body.code ?? "unknown";
    this.errors = body.errors ?? {};
    this.reason = body.reason;
    this.body = body;
    this.retryAfter = retryAfter;
  }

  /** The problem in a response; a gateway's error page counts as one. */
  static from(response: Response, body: unknown): Problem {
    const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
    const retryAfter = Number(response.headers.get("retry-after") ?? NaN);
    return new Problem(
      response.status,
      isProblem && typeof body === "object" && body !== null ? body : {},
      Number.isFinite(retryAfter) ? retryAfter : undefined,
    );
  }
}

/** Whether `error` is a problem with this code. */
export function isProblem(error: unknown, code: string): error is Problem {
  return error instanceof Problem && error.code === code;
}

/** The message to show for `error`. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Problem)) return "The server cannot be reached. Try again.";
  if (error.retryAfter !== undefined && error.retryAfter > 1) {
    return `${error.message} (in ${waitOf(error.retryAfter)})`;
  }
  return error.message;
}

function waitOf(seconds: number): string {
  return seconds < 90 ? `${seconds} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}
