/** A login, with whatever it takes, for React. */
import { useEffect, useRef, useState } from "react";
import { factorsOf, hasPasskeys, offersPasskeys, type Factors } from "./index.js";
import { asProblem, type Problem } from "../problem.js";
import { useClient } from "../react.js";
import type { Login, SecondFactor, User } from "../types.js";

/** What a page does with passkeys and codes. */
export function useFactors(): Factors {
  return factorsOf(useClient());
}

export interface LoginOptions {
  /** The browser offers passkeys in the field with `autocomplete="username webauthn"`. */
  autofill?: boolean;
}

/** A login and how far it is. Its calls do not reject: what went wrong is in `error`. */
export interface LoginProgress {
  /** What is asked for: a username and a password, or a passkey; then a code, where there is one. */
  step: "password" | "second_factor";
  /** What the second step takes: `totp`, `recovery_code`. */
  methods: string[];
  /** The call that is under way. */
  pending: "password" | "passkey" | "code" | null;
  /** Why the last call failed. */
  error: Problem | null;
  /** Which call that was. */
  failed: LoginProgress["pending"];
  /** Whether the browser knows passkeys, and the server, as far as it was asked: true until then. */
  canUsePasskey: boolean;
  login: (credentials: Login | FormData) => Promise<void>;
  loginWithPasskey: () => Promise<void>;
  loginWithCode: (code: string) => Promise<void>;
  loginWithRecoveryCode: (code: string) => Promise<void>;
  /** Back to the first step. */
  restart: () => void;
}

type Failure = Pick<LoginProgress, "error" | "failed">;
const NONE: Failure = { error: null, failed: null };

/** A wait for a passkey that a browser ends sooner than this is one that it does not offer. */
const shortest = 1_000;
/** A second step that has taken this long may have taken too long: its cookie lives for ten minutes. */
const long = 570_000;
/** Before the server is asked again after it could not be. */
const pause = 60_000;

/** Logs in by password, by passkey, or in two steps; once it is done, `useSession()` has the user. */
export function useLogin({ autofill = false }: LoginOptions = {}): LoginProgress {
  const { login } = useClient();
  const factors = useFactors();
  const [methods, setMethods] = useState<string[]>([]);
  const [pending, setPending] = useState<LoginProgress["pending"]>(null);
  const [{ error, failed }, setFailure] = useState<Failure>(NONE);
  const [isOff, setIsOff] = useState(false);
  const [waits, setWaits] = useState(0);
  /** What an earlier call comes to after a later one, or after `restart`, is not shown. */
  const attempt = useRef(0);
  /** When the second step began. */
  const began = useRef(0);

  const fail = (failed: Failure["failed"], cause: unknown) => {
    const error = asProblem(cause);
    const { code, reason } = error;
    // Where cookies are not kept, another first step would not help.
    const isKept = reason !== "no_cookie" || Date.now() - began.current > long;
    if (code === "not_logged_in" && reason && isKept) setMethods([]);
    if (code === "passkeys_off") setIsOff(true);
    // Somebody who has closed the dialog knows it.
    setFailure(code === "passkey_not_used" ? NONE : { error, failed });
  };

  const run = async (what: LoginProgress["pending"], call: () => Promise<User | SecondFactor>) => {
    const mine = ++attempt.current;
    const isCurrent = () => mine === attempt.current;
    setPending(what);
    setFailure(NONE);
    try {
      const result = await call();
      began.current = Date.now();
      if (isCurrent()) setMethods("next" in result ? result.methods : []);
    } catch (cause) {
      if (isCurrent()) fail(what, cause);
    }
    if (isCurrent()) setPending(null);
  };

  const isOffering = autofill && !isOff && methods.length === 0 && pending === null;
  useEffect(() => {
    if (!isOffering) return;
    const ender = new AbortController();
    const isEnded = () => ender.signal.aborted;
    let isChosen = false;
    let later: ReturnType<typeof setTimeout> | undefined;
    const onChosen = () => {
      isChosen = true;
      setPending("passkey");
      setFailure(NONE);
    };
    const again = () => { setWaits((waits) => waits + 1); };
    const tryLater = (code: string, waited: number) => {
      if (code === "passkeys_off") setIsOff(true);
      else if (code === "passkey_not_used") {
        if (waited > shortest) again();
      } else if (code !== "passkey_wrong_site") later = setTimeout(again, pause);
    };
    const offer = async () => {
      if (!(await offersPasskeys()) || isEnded()) return;
      let began: number | undefined;
      const onOffered = () => { began = Date.now(); };
      try {
        await factors.loginWithPasskey({ autofill: true, signal: ender.signal, onOffered, onChosen });
      } catch (cause) {
        if (isChosen) fail("passkey", cause);
        // Before that nobody has asked for anything, so nothing has gone wrong.
        else if (!isEnded()) tryLater(asProblem(cause).code, Date.now() - (began ?? Infinity));
      }
      if (!isChosen) return;
      setPending(null);
      again();
    };
    void offer();
    return () => {
      ender.abort();
      clearTimeout(later);
    };
  }, [factors, isOffering, waits]);

  return {
    step: methods.length > 0 ? "second_factor" : "password",
    methods,
    pending,
    error,
    failed,
    canUsePasskey: hasPasskeys() && !isOff,
    login: (credentials) => run("password", () => login(credentials)),
    loginWithPasskey: async () => {
      await run("passkey", () => factors.loginWithPasskey());
      // It has ended the wait in the field.
      setWaits((waits) => waits + 1);
    },
    loginWithCode: (code) => run("code", () => factors.loginWithCode(code)),
    loginWithRecoveryCode: (code) => run("code", () => factors.loginWithRecoveryCode(code)),
    restart: () => {
      attempt.current += 1;
      setPending(null);
      setMethods([]);
      setFailure(NONE);
    },
  };
}
