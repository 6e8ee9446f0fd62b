import type { Problem } from "./problem.js";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

/** The body of `GET /session`. */
export type SessionBody =
  paths["/session"]["get"]["responses"][200]["content"]["application/json"];
export type User = Schemas["User"];
/** The session of this browser. */
export type Session = NonNullable<SessionBody["session"]>;
/** Until when the last proof counts, and how to give another. */
export type Reauthentication = NonNullable<SessionBody["reauthentication"]>;
/** A session in the list of the user's own. */
export type OwnSession = Schemas["OwnSession"];
export type Login = Schemas["LogIn"];
export type Signup = Schemas["SignUp"];
export type PasswordChange = Schemas["PasswordChange"];
export type PasswordReset = Schemas["PasswordReset"];

/**
 * What a sign-up resolves with where addresses have to be verified first: the user is to open the link
 * that was sent to them. Such a server describes it in its `/openapi.json` in the place of the user.
 */
export interface VerifyEmail {
  next: "verify_email";
}

/** What a login resolves with for an account with a second factor: what the second step takes. */
export type SecondFactor = Schemas["SecondFactorNext"];
/** A passkey of the user's. */
export type OwnPasskey = Schemas["OwnPasskey"];
/** For an authenticator app: to be typed, and to be shown as a QR code. */
export type TotpSecret = Schemas["TotpSecret"];
/** Whether logins ask for a code, and how many recovery codes are left. */
export type TotpState = Schemas["TotpState"];

interface Asked {
  /** Why the last request for the session failed. The rest is what was known before. */
  error: Problem | null;
}

export interface Loading extends Asked {
  status: "loading";
  user: null;
  session: null;
  reauthentication: null;
  reason: null;
}

export interface SignedIn extends Asked {
  status: "signed-in";
  user: User;
  /** Null only while the server could not be asked after a login. */
  session: Session | null;
  /** Null for an account with neither a password nor a passkey. */
  reauthentication: Reauthentication | null;
  reason: null;
}

export interface SignedOut extends Asked {
  status: "signed-out";
  user: null;
  session: null;
  reauthentication: null;
  /** Why: `no_cookie`, `expired`, `logged_out`, `revoked`, … */
  reason: string | null;
}

/** Who is logged in, as far as is known. */
export type SessionState = Loading | SignedIn | SignedOut;
