/** The browser's own dialogs for passkeys. */
import { Problem } from "../problem.js";

/** Whether this browser knows passkeys. */
export function hasPasskeys(): boolean {
  return (
    typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential
  );
}

/** Whether it offers them in a field with `autocomplete="username webauthn"`. */
export async function offersPasskeys(): Promise<boolean> {
  return hasPasskeys() && (await PublicKeyCredential.isConditionalMediationAvailable());
}

/** Whether this device can keep one, behind a fingerprint, a face or a PIN. */
export async function keepsPasskeys(): Promise<boolean> {
  return (
    hasPasskeys() && (await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable())
  );
}

type Failure = [code: string, detail: string];

/** Why a dialog gave no passkey: the browser does not say much, so that pages learn nothing of others. */
const NOT_USED: Failure = ["passkey_not_used", "No passkey was used."];
const FAILED: Failure = ["passkey_failed", "This browser or device could not use a passkey."];
const FAILURES: Record<string, Failure> = {
  NotAllowedError: NOT_USED,
  AbortError: NOT_USED,
  TimeoutError: NOT_USED,
  InvalidStateError: ["passkey_exists", "This device has a passkey of this account already."],
  SecurityError: ["passkey_wrong_site", "The passkeys of this site do not work at this address."],
};

/** A credential as the server takes it. */
export interface Chosen {
  id: string;
}

/** What the dialog gave; rejects when it was closed, was given up, took too long or cannot be shown. */
export async function chosen(signal: AbortSignal, dialog: () => Promise<Credential | null>): Promise<Chosen> {
  try {
    signal.throwIfAborted();
    const credential = (await dialog()) as PublicKeyCredential | null;
    // What is chosen for a login or a proof that was given up is not sent.
    signal.throwIfAborted();
    if (!credential) throw new TypeError("no credential");
    return credential.toJSON() as Chosen;
  } catch (cause) {
    const name = (cause as Partial<Error> | null)?.name ?? "";
    const [code, detail] = FAILURES[name] ?? FAILED;
    throw new Problem(0, { code, detail }, undefined, cause);
  }
}

/** Resolves once the page is looked at, or `signal` says that there is nothing to wait for. */
export function shown(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (!document.hidden || signal.aborted) {
      resolve();
      return;
    }
    const options = { once: true, signal };
    document.addEventListener("visibilitychange", () => { resolve(); }, options);
    signal.addEventListener("abort", () => { resolve(); }, { once: true });
  });
}
