const TEXT: Record<string, string> = {
  password_changed: "your password was changed.",
  disabled: "your account was disabled.",
  deleted: "your account was deleted.",
  user_gone: "your account was disabled or deleted.",
  device_proof_missing: "your browser could not prove that it is the device that you logged in on.",
  expired: "your session has expired.",
  revoked: "this session was ended from another device, by a later login, or by an operator.",
};

/** What to tell somebody whose session ended, and not by a log-out of their own. */
export function endedText(reason: string | null): string | null {
  if (reason === "logged_out") return null;
  // An unknown session or a lost cookie says nothing of how it came to that.
  return TEXT[reason ?? ""] ?? "your session is not valid any more.";
}
