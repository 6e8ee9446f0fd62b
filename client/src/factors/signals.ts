/** What browsers can be told of passkeys (WebAuthn Level 3, 5.1.10), so that they offer the right ones. */
import type { OwnPasskey, User } from "../types.js";

interface WhoIs {
  rpId: string;
  userId: string;
}

/** Not every browser has them. */
interface Signals {
  signalAllAcceptedCredentials?: (told: WhoIs & { allAcceptedCredentialIds: string[] }) => Promise<void>;
  signalCurrentUserDetails?: (told: WhoIs & { name: string; displayName: string }) => Promise<void>;
  signalUnknownCredential?: (told: { rpId: string; credentialId: string }) => Promise<void>;
}

const signals = (): Signals =>
  typeof PublicKeyCredential === "function" ? (PublicKeyCredential as unknown as Signals) : {};

export function canSignal(): boolean {
  return "signalAllAcceptedCredentials" in signals();
}

/** The id of a user as passkeys have it: the 16 bytes in base64url. */
export function handleOf(userId: string): string {
  const bytes = userId.replaceAll("-", "").match(/../g) ?? [];
  const binary = bytes.map((byte) => String.fromCharCode(parseInt(byte, 16))).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The passkeys that the server has of `user`: the browser hides any others, and shows hidden ones again. */
export async function signalAccepted(rpId: string, user: User, passkeys: OwnPasskey[]): Promise<void> {
  const api = signals();
  const of = { rpId, userId: handleOf(user.id) };
  const allAcceptedCredentialIds = passkeys.map(({ id }) => id);
  await api.signalAllAcceptedCredentials?.({ ...of, allAcceptedCredentialIds });
  const { username } = user;
  await api.signalCurrentUserDetails?.({ ...of, name: username, displayName: username });
}

/** The server does not have this one: for a passkey that it has certainly not taken. */
export async function signalUnknown(rpId: string, credentialId: string): Promise<void> {
  await signals().signalUnknownCredential?.({ rpId, credentialId });
}

const rpIdKey = "handstamp passkeys of";
const toldKey = "handstamp passkeys told";

/** Browsers may refuse a page its storage. */
function attempt<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}

/** What earlier pages have learned, so that a page load costs no request: the domain, and what this tab's page has told. */
export const kept = {
  rpId: () => attempt(() => localStorage.getItem(rpIdKey)) ?? undefined,
  keepRpId: (rpId: string) => { attempt(() => { localStorage.setItem(rpIdKey, rpId); }); },
  told: () => attempt(() => sessionStorage.getItem(toldKey)) ?? undefined,
  keepTold: (list: string) => { attempt(() => { sessionStorage.setItem(toldKey, list); }); },
};
