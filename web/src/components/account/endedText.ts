import type { EndReason } from "../../session/ended";

/** What to tell somebody whose session ended. */
export const ENDED_TEXT: Record<EndReason, string> = {
  logged_out: "you logged out in another window.",
  revoked: "this device was logged out from another one.",
  password_changed: "your password was changed.",
  disabled: "your account was disabled.",
  deleted: "your account was deleted.",
  expired: "your session has expired.",
};
