export { createClient, type Client, type ClientOptions } from "./client.js";
export { Problem } from "./problem.js";
export type { ReauthenticationRequest } from "./reauthentication.js";
export type {
  Login,
  OwnSession,
  PasswordChange,
  PasswordReset,
  Reauthentication,
  SecondFactor,
  Session,
  SessionState,
  SignedIn,
  SignedOut,
  Signup,
  User,
  VerifyEmail,
} from "./types.js";
