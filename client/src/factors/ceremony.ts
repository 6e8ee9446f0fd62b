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

/** Why a dialog gave no passkey: the browser does not say much, so that pages learn nothing of others. */
const FAILURES: Record<string, [code: string, detail: string]> = {
  InvalidStateError: ["passkey_exists", "This device has a passkey of this account already."],
  SecurityError: ["passkey_wrong_site", "The passkeys of this site do not work at this address."],
};
const NOT_USED = ["passkey_not_used", "No passkey was used."] as const;

/** A credential as the server takes it. */
export interface Chosen {
  id: string;
}

/** What the dialog gave; rejects when it was closed, took too long or cannot be shown. */
export async function chosen(dialog: () => Promise<Credential | null>): Promise<Chosen> {
  try {
    const credential = (await dialog()) as PublicKeyCredential | null;
    if (!credential) throw new TypeError("no credential");
    return credential.toJSON() as Chosen;
  } catch (cause) {
    const name = cause instanceof DOMException ? cause.name : "";
    const [code, detail] = FAILURES[name] ?? NOT_USED;
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
