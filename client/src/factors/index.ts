/** Passkeys and codes: an entry of its own, for pages that use them. */
import { chosen, shown } from "./ceremony.js";
import type { Client } from "../client.js";
import { asProblem, Problem } from "../problem.js";
import { canSignal, kept, signalAccepted, signalUnknown } from "./signals.js";
import type { OwnPasskey, TotpSecret, TotpState, User } from "../types.js";

export { hasPasskeys, keepsPasskeys, offersPasskeys } from "./ceremony.js";
export type { OwnPasskey, SecondFactor, TotpSecret, TotpState } from "../types.js";

export interface PasskeyOptions {
  /**
   * The browser offers passkeys in a field with `autocomplete="username webauthn"`, and the call waits
   * until one is chosen. Default: the browser asks at once, which ends such a wait.
   */
  autofill?: boolean;
  /** Ends the wait. */
  signal?: AbortSignal;
  /** Called once the browser is asked for one. */
  onOffered?: () => void;
  /** Called once a passkey is chosen, before the server is asked. */
  onChosen?: () => void;
}

/** What a page does with passkeys and codes. Calls reject with a `Problem`. */
export interface Factors {
  /** Resolves with the session already set. Rejects with `passkey_not_used` when none was chosen. */
  loginWithPasskey: (options?: PasskeyOptions) => Promise<User>;
  /** The second step of a login: a code of the authenticator app. */
  loginWithCode: (code: string) => Promise<User>;
  /** The second step of a login: a recovery code, which is used up. */
  loginWithRecoveryCode: (code: string) => Promise<User>;
  /** Proves who the user is; calls that wait for it go on. */
  reauthenticateWithPasskey: (options?: { signal?: AbortSignal }) => Promise<void>;
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

const loginPath = "/login/passkey";
/** A challenge is good for five minutes. */
const renewal = 240_000;
/** Held while a passkey is made: no list from before it is told to the browser. */
const lock = "handstamp passkeys";
/** Held while a login's challenge is asked for: the first response sets the cookie of the second. */
const optionsLock = "handstamp passkey options";
/** Another tab may be stuck: after this nobody waits for its lock. */
const lockTimeout = 3_000;
const made = new WeakMap<Client, Factors>();

/** The same ones for the same client. */
export function factorsOf(client: Client): Factors {
  let factors = made.get(client);
  if (!factors) made.set(client, (factors = createFactors(client)));
  return factors;
}

/** Runs `task` while no other tab runs one of that name, unless that takes too long. */
async function alone<T>(name: string, task: () => Promise<T>): Promise<T> {
  if (!("locks" in navigator)) return task();
  let isBegun = false as boolean;
  try {
    const options = { signal: AbortSignal.timeout(lockTimeout) };
    return await navigator.locks.request(name, options, () => {
      isBegun = true;
      return task();
    });
  } catch (error) {
    if (isBegun) throw error;
    return task();
  }
}

function createFactors({ call, loginWith, prove, getState, refresh, subscribe }: Client): Factors {
  /** The domain that passkeys are bound to, once the server has named it. */
  let rpId = kept.rpId();
  /** The list of which the browser was last told. */
  let told = kept.told();
  /** Whether the end of accounts is watched for. */
  let isWatching = false;
  /** The request to the browser, which takes one at a time. */
  let current: AbortController | undefined;

  const optionsOf = async (path: string) => {
    const options = await call("POST", `${path}/options`).catch((error: unknown) => {
      const { status, code } = asProblem(error);
      if (code !== "not_found") throw error;
      throw new Problem(status, { code: "passkeys_off", detail: "This site has no passkeys." }, undefined, error);
    });
    const { rpId: ofUse, rp } = options as { rpId?: string; rp?: { id?: string } };
    rpId = ofUse ?? rp?.id;
    if (rpId !== undefined) kept.keepRpId(rpId);
    return options;
  };

  /** Makes a request to the browser, which ends with `signal`, with the next one, and with the session shown. */
  const request = async <T>(make: (ended: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> => {
    current?.abort();
    const mine = (current = new AbortController());
    let { status, session } = getState();
    const stop = subscribe(() => {
      const next = getState();
      if (status !== "loading" && next.session?.id !== session?.id) mine.abort();
      ({ status, session } = next);
    });
    try {
      return await make(AbortSignal.any([mine.signal, ...(signal ? [signal] : [])]));
    } finally {
      stop();
    }
  };

  const ask = async (path: string, { signal, ...given }: CredentialRequestOptions & { signal: AbortSignal }, onOffered?: () => void) => {
    const get = () => optionsOf(path);
    const options = await (path === loginPath ? alone(optionsLock, get) : get());
    return chosen(signal, () => {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON);
      onOffered?.();
      return navigator.credentials.get({ publicKey, signal, ...given });
    });
  };

  /** Asks at once. */
  const demand = (path: string, signal?: AbortSignal) => request((ended) => ask(path, { signal: ended }), signal);

  /** Waits for a choice in a field, with a new challenge before the old one expires. */
  const wait = ({ signal, onOffered }: PasskeyOptions) =>
    request(async (ended) => {
      const isEnded = () => ended.aborted;
      for (;;) {
        await shown(ended);
        // Nobody needs a challenge any more.
        if (isEnded()) return chosen(ended, () => Promise.resolve(null));
        const expiry = AbortSignal.timeout(renewal);
        try {
          const both = AbortSignal.any([ended, expiry]);
          return await ask(loginPath, { mediation: "conditional", signal: both }, onOffered);
        } catch (error) {
          if (!expiry.aborted || isEnded()) throw error;
        }
      }
    }, signal);

  const read = async () => ((await call("GET", "/passkeys")) as { passkeys: OwnPasskey[] }).passkeys;

  /** Whether what was read since `before` is certain to be that user's: cookies change in other tabs. */
  const ofSame = async (before: string | undefined) => {
    const { user, session, error } = await refresh();
    return before !== undefined && session?.id === before && !error ? user : null;
  };

  /** From now on the browser is told that an account that is deleted has no passkeys. */
  const watch = () => {
    if (isWatching) return;
    isWatching = true;
    let { user } = getState();
    subscribe(() => {
      const next = getState();
      if (user && rpId !== undefined && next.reason === "deleted") {
        signalAccepted(rpId, user, []).catch(() => undefined);
      }
      ({ user } = next);
    });
  };

  /** Tells the browser of the passkeys that were read on the session `before`. */
  const tell = async (passkeys: OwnPasskey[], before: string | undefined) => {
    const { id, username } = getState().user ?? {};
    const list = JSON.stringify([before, id, username, passkeys.map(({ id }) => id)]);
    // Most users have none: nobody asks for a challenge to say so.
    if (list === told || (rpId === undefined && !passkeys.length)) return;
    told = list;
    let isTold = false as boolean;
    try {
      if (rpId === undefined) await optionsOf("/reauthenticate/passkey");
      const user = await ofSame(before);
      if (!user || rpId === undefined) return;
      await signalAccepted(rpId, user, passkeys);
      isTold = true;
      kept.keepTold(list);
    } finally {
      // The next list is told, even if it is the same.
      if (!isTold) told = undefined;
    }
  };

  const list = (): Promise<OwnPasskey[]> => {
    const before = getState().session?.id;
    if (!canSignal()) return read();
    watch();
    return new Promise((resolve, reject) => {
      const options: LockOptions = { mode: "shared", ifAvailable: true };
      const task = navigator.locks.request(lock, options, async (isAlone) => {
        const passkeys = await read();
        resolve(passkeys);
        if (isAlone) await tell(passkeys, before);
      });
      // No more than an old passkey is offered if the browser could not be told.
      task.catch(reject);
    });
  };

  /** The server has refused a passkey that was just made: the browser is not to offer it. */
  const discard = async (id: string) => {
    const before = getState().session?.id;
    // A request that a browser has repeated by itself is refused although the first one counted.
    const isTaken = (await read()).some((passkey) => passkey.id === id);
    if (rpId !== undefined && !isTaken && (await ofSame(before))) await signalUnknown(rpId, id);
  };

  const add = async (options: PublicKeyCredentialCreationOptionsJSON, name?: string): Promise<OwnPasskey> => {
    const credential = await request((signal) =>
      chosen(signal, () => {
        const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
        return navigator.credentials.create({ publicKey, signal });
      }),
    );
    try {
      const body = { credential, ...(name && { name }) };
      return (await call("POST", "/passkeys", body)) as OwnPasskey;
    } catch (error) {
      const { status } = asProblem(error);
      if (status >= 400 && status < 500) await discard(credential.id).catch(() => undefined);
      throw error;
    }
  };

  /** What the session can be proved with may be another now, and so the browser's list. */
  const follow = async () => {
    if (getState().user) await refresh();
    if (canSignal()) void list().catch(() => undefined);
  };

  const at = (id: string) => `/passkeys/${encodeURIComponent(id)}`;
  const codes = (body: unknown) => (body as { recovery_codes: string[] }).recovery_codes;

  return {
    loginWithPasskey: async (options = {}) => {
      const { autofill, signal, onChosen } = options;
      const credential = await (autofill ? wait(options) : demand(loginPath, signal));
      onChosen?.();
      return loginWith(loginPath, { credential }) as Promise<User>;
    },
    loginWithCode: (code) => loginWith("/login/totp", { code }) as Promise<User>,
    loginWithRecoveryCode: (code) => loginWith("/login/recovery-code", { code }) as Promise<User>,
    reauthenticateWithPasskey: async ({ signal } = {}) => {
      const path = "/reauthenticate/passkey";
      await prove(path, { credential: await demand(path, signal) });
    },
    passkeys: list,
    addPasskey: async (name) => {
      // A proof that this waits for keeps no other tab waiting.
      const options = (await optionsOf("/passkeys")) as PublicKeyCredentialCreationOptionsJSON;
      const added = await alone(lock, () => add(options, name));
      await follow();
      return added;
    },
    renamePasskey: async (id, name) => (await call("PATCH", at(id), { name })) as OwnPasskey,
    removePasskey: async (id) => {
      await call("DELETE", at(id));
      await follow();
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
