import { isProblem, messageOf } from "../../api/problem";

const TEXTS = {
  last_credential: "It is the only way into your account: add another passkey first.",
  bad_passkey: "That took too long, or your device gave no passkey that we can take. Try again.",
  not_found: "That is gone already.",
  passkeys_off: "Passkeys are turned off at this site.",
  passkey_failed: "Your browser or device could not use a passkey here. Try another one.",
};

/** What to say of a failure with a passkey or a code; nothing where somebody has changed their mind. */
export function failureOf(error: unknown): string | null {
  if (error === null) return null;
  if (isProblem(error, "passkey_not_used") || isProblem(error, "reauthentication_required")) return null;
  for (const [code, text] of Object.entries(TEXTS)) {
    if (isProblem(error, code)) return text;
  }
  // The browser's own words, where it was not the server that refused.
  if (isProblem(error, "passkey_exists") || isProblem(error, "passkey_wrong_site")) return error.detail;
  return messageOf(error);
}
