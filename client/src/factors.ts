/** Passkeys and codes: an entry of its own, for pages that use them. */
import type { Client } from "./client.js";
import { Problem } from "./problem.js";
import type { OwnPasskey, TotpSecret, TotpState, User } from "./types.js";

export type { OwnPasskey, SecondFactor, TotpSecret, TotpState } from "./types.js";

export interface PasskeyOptions {
  /**
   * `conditional`: the browser offers passkeys in a field with `autocomplete="username webauthn"`, and
   * the call waits until one is chosen. Default: it asks at once.
   */
  mediation?: CredentialMediationRequirement;
  /** Ends the waiting: a browser takes one request at a time. */
  signal?: AbortSignal;
}

/** What a page does with passkeys and codes. Calls reject with a {@link Problem}. */
export interface Factors {
  /** Resolves with the session already set. Rejects with `passkey_not_used` when none was chosen. */
  loginWithPasskey: (options?: PasskeyOptions) => Promise<User>;
  /** The second step of a login: a code of the authenticator app. */
  loginWithCode: (code: string) => Promise<User>;
  /** The second step of a login: a recovery code, which is used up. */
  loginWithRecoveryCode: (code: string) => Promise<User>;
  /** Proves who the user is; calls that wait for it go on. */
  reauthenticateWithPasskey: () => Promise<void>;
  passkeys: () => Promise<OwnPasskey[]>;
  /** Makes one on this device, or on one that the browser finds. */
  addPasskey: (name?: string) => Promise<OwnPasskey>;
  renamePasskey: (id: string, name: string) => Promise<OwnPasskey>;
  /** Rejects with `last_credential` when there would be nothing to log in with. */
  removePasskey: (id: string) => Promise<void>;
  totp: () => Promise<TotpState>;
  /** Nothing is on before {@link Factors.confirmTotp}. */
  startTotp: () => Promise<TotpSecret>;
  /** Resolves with ten recovery codes, which are shown this once. */
  confirmTotp: (code: string) => Promise<string[]>;
  removeTotp: () => Promise<void>;
  /** Ten new ones; the old ones count no more. */
  newRecoveryCodes: () => Promise<string[]>;
}

/** Whether this browser knows passkeys. */
export function hasPasskeys(): boolean {
  return (
    typeof PublicKeyCredential === "function" && "parseRequestOptionsFromJSON" in PublicKeyCredential
  );
}

/** Whether it offers them in a form's field. */
export async function offersPasskeys(): Promise<boolean> {
  return hasPasskeys() && (await PublicKeyCredential.isConditionalMediationAvailable());
}

/** What the browser's dialog gave; a problem when it was closed, or took too long. */
async function chosen(dialog: Promise<Credential | null>): Promise<{ credential: unknown }> {
  try {
    const credential = (await dialog) as PublicKeyCredential | null;
    if (credential) return { credential: credential.toJSON() };
    throw new TypeError("no credential");
  } catch (cause) {
    const detail = "No passkey was used.";
    throw new Problem(0, { code: "passkey_not_used", detail }, undefined, cause);
  }
}

export function factorsOf({ call, enter, prove, getState, refresh }: Client): Factors {
  const options = (path: string) => call("POST", `${path}/options`);

  const proof = async (path: string, given?: PasskeyOptions) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
      (await options(path)) as PublicKeyCredentialRequestOptionsJSON,
    );
    return chosen(navigator.credentials.get({ publicKey, ...given }));
  };

  const at = (id: string) => `/passkeys/${encodeURIComponent(id)}`;
  const codes = (body: unknown) => (body as { recovery_codes: string[] }).recovery_codes;
  /** What the session can be proved with may be another now. */
  const anew = async <T>(result: T): Promise<T> => {
    if (getState().user) await refresh();
    return result;
  };

  return {
    loginWithPasskey: async (given) => enter("/login/passkey", await proof("/login/passkey", given)),
    loginWithCode: (code) => enter("/login/totp", { code }),
    loginWithRecoveryCode: (code) => enter("/login/recovery-code", { code }),
    reauthenticateWithPasskey: async () => {
      const path = "/reauthenticate/passkey";
      await prove(path, await proof(path));
    },
    passkeys: async () => ((await call("GET", "/passkeys")) as { passkeys: OwnPasskey[] }).passkeys,
    addPasskey: async (name) => {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
        (await options("/passkeys")) as PublicKeyCredentialCreationOptionsJSON,
      );
      const made = await chosen(navigator.credentials.create({ publicKey }));
      return anew((await call("POST", "/passkeys", { ...made, ...(name && { name }) })) as OwnPasskey);
    },
    renamePasskey: async (id, name) => (await call("PATCH", at(id), { name })) as OwnPasskey,
    removePasskey: async (id) => {
      await call("DELETE", at(id));
      await anew(null);
    },
    totp: async () => (await call("GET", "/totp")) as TotpState,
    startTotp: async () => (await call("POST", "/totp")) as TotpSecret,
    confirmTotp: async (code) => codes(await call("POST", "/totp/confirm", { code })),
    removeTotp: async () => {
      await call("DELETE", "/totp");
    },
    newRecoveryCodes: async () => codes(await call("POST", "/recovery-codes")),
  };
}
