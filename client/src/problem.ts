/** What an error's body holds (RFC 9457). */
export interface ProblemBody {
  code?: string;
  detail?: string;
  reason?: string;
  errors?: Record<string, string[]>;
  methods?: string[];
}

/** An error as the API describes it, or `unreachable` with status 0. */
export class Problem extends Error {
  override readonly name = "Problem";
  /** A word that stays the same between versions: `bad_credentials`, `too_many_attempts`, … */
  declare readonly code: string;
  /** What happened, for a person. */
  declare readonly detail: string;
  /** With `not_logged_in`: what is wrong with the session. */
  declare readonly reason: string | undefined;
  /** With `invalid`: what is wrong with each field. */
  declare readonly errors: Record<string, string[]>;
  /** All that the problem says, an app's own members included. */
  declare readonly body: object;
  /** With `reauthentication_required`: how the user can prove who they are. */
  declare readonly methods: string[];

  constructor(
    /** The response's status; 0 when there was none. */
    readonly status: number,
    body: ProblemBody,
    /** Seconds to wait before a retry. */
    readonly retryAfter?: number,
    cause?: unknown,
  ) {
    const detail = body.detail ?? "Something went wrong.";
    super(detail, { cause });
    this.detail = detail;
    this.code = body.code ?? "unknown";
    this.reason = body.reason;
    this.errors = body.errors ?? {};
    this.methods = body.methods ?? [];
    this.body = body;
  }
}

/** The problem in a response, which stays readable; a gateway's error page has no code. */
export async function problemOf(response: Response): Promise<Problem> {
  const { headers, status } = response;
  const isProblem = headers.get("content-type")?.includes("problem+json");
  const body = isProblem ? await (response.clone().json() as Promise<ProblemBody>).catch(() => ({})) : {};
  return new Problem(status, body, Number(headers.get("retry-after")) || undefined);
}

/** What went wrong; anything but a problem is a server that cannot be reached. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const body = { code: "unreachable", detail: "The server cannot be reached." };
  return new Problem(0, body, undefined, error);
}
