const TEXT: Record<string, string> = {
  password_changed: "your password was changed.",
  disabled: "your account was disabled.",
  deleted: "your account was deleted.",
  user_gone: "your account was disabled or deleted.",
  expired: "your session has expired.",
};

/** What to tell somebody whose session ended, and not by a log-out of their own. */
export function endedText(reason: string | null): string | null {
  if (reason === "logged_out") return null;
  return TEXT[reason ?? ""] ?? "this device was logged out from another one.";
}
