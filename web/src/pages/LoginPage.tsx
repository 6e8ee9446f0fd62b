import { hasPasskeys } from "@handstamp/client/factors";
import { useSession } from "@handstamp/client/react";
import { useLogin, type LoginProgress } from "@handstamp/client/react/login";
import { useMemo, useState } from "react";
import { Link, Navigate, useSearchParams } from "react-router";
import { isProblem } from "../api/problem";
import { ReauthenticationDialog } from "../components/account/ReauthenticationDialog";
import { Entrance } from "../components/entrance/Entrance";
import { NO_MAIL } from "../components/entrance/asides";
import { failureOf } from "../components/factors/failureOf";
import { PasskeyOffer } from "../components/factors/PasskeyOffer";
import { SecondStep } from "../components/factors/SecondStep";
import { Form } from "../components/forms/Form";
import { FormError } from "../components/forms/FormError";
import { errorsOf } from "../components/forms/errorsOf";
import { PasswordField } from "../components/forms/PasswordField";
import { AS_TYPED, TextField } from "../components/forms/TextField";
import { useForm, type Errors } from "../components/forms/useForm";
import { nextPath, signUpPath } from "../lib/next";

export function LoginPage() {
  const [search] = useSearchParams();
  const { user } = useSession();
  const progress = useLogin({ autofill: !user });
  /** The name that was typed here, with a password: there may be a passkey to offer. */
  const [typed, setTyped] = useState("");
  /** Whether the second step was shown: what had the focus there is gone afterwards. */
  const [isBack, setIsBack] = useState(false);
  if (progress.step === "second_factor" && !isBack) setIsBack(true);
  if (user) {
    const next = nextPath(search);
    const isOffered = typed !== "" && progress.canUsePasskey;
    if (!isOffered) return <Navigate to={next} replace />;
    return (
      <>
        <PasskeyOffer user={user} next={next} />
        {/* Somebody may think about the offer for longer than a proof counts. */}
        <ReauthenticationDialog username={user.username} />
      </>
    );
  }
  if (isProblem(progress.error, "email_not_verified")) return <Unverified onBack={progress.restart} />;
  if (progress.step === "second_factor") {
    return (
      <Entrance title="One more step" lead={`You are logging in as ${typed}. Now a code, so that we know it is you.`}>
        <SecondStep progress={progress} />
      </Entrance>
    );
  }
  const signUp = (
    <>
      New here?{" "}
      <Link to={signUpPath(search.get("next") ?? undefined)} className="link">
        Sign up
      </Link>
    </>
  );
  return (
    <Entrance title="Log in" lead={signUp}>
      <PasswordLogin progress={progress} isBack={isBack} onTyped={setTyped} />
      <p className="entrance-end">
        <Link to="/forgot-password" className="link">
          Forgotten your password?
        </Link>
      </p>
      {hasPasskeys() && <PasskeyLogin progress={progress} />}
    </Entrance>
  );
}

type Fields = Record<"username" | "password", string>;

interface PasswordLoginProps {
  progress: LoginProgress;
  isBack: boolean;
  onTyped: (username: string) => void;
}

function PasswordLogin({ progress, isBack, onTyped }: PasswordLoginProps) {
  const { error, failed, pending, login } = progress;
  const plain = useForm<keyof Fields>();
  const errors = useMemo((): Errors<keyof Fields> => {
    if (!error || failed === "passkey") return {};
    // Of the second step.
    if (failed === "code" && isProblem(error, "not_logged_in")) return { form: "That took too long. Please begin again." };
    return errorsOf(["username"], error);
  }, [error, failed]);
  const form = { ...plain, errors };
  const submit = ({ username, password }: Fields) => {
    onTyped(username);
    // An account without a password logs in by its name alone.
    void login(password === "" ? { username } : { username, password });
  };
  return (
    <Form form={form} onSend={submit}>
      <TextField
        form={form}
        name="username"
        label="Username"
        input={{ autoComplete: "username webauthn", autoFocus: isBack, ...AS_TYPED }}
      />
      <PasswordField form={form} name="password" label="Password" />
      <FormError message={errors.form} />
      <button type="submit" className="button button-wide" disabled={pending !== null}>
        {pending === "password" ? "Logging in…" : "Log in"}
      </button>
    </Form>
  );
}

/** Instead of the form; the browser also offers passkeys in its first field. */
function PasskeyLogin({ progress }: { progress: LoginProgress }) {
  const { error, failed, pending, canUsePasskey, loginWithPasskey } = progress;
  const isRefused = isProblem(error, "bad_credentials");
  const text = isRefused
    ? "This passkey did not log you in: it may have been removed, or it took too long. Try again, or use your password."
    : failureOf(error);
  return (
    <div className="entrance-end">
      <button
        type="button"
        // It keeps its place once the site turns out to have none, so that nothing moves.
        className={`button button-second button-wide ${canUsePasskey ? "" : "button-gone"}`}
        disabled={pending !== null}
        onClick={() => { void loginWithPasskey(); }}
      >
        {pending === "passkey" ? "Waiting for your passkey…" : "Log in with a passkey"}
      </button>
      <div role="alert">
        {failed === "passkey" && text !== null && <p className="field-error">{text}</p>}
      </div>
    </div>
  );
}

/** For a user whose address nobody has verified, at a site that wants that. */
function Unverified({ onBack }: { onBack: () => void }) {
  return (
    <Entrance
      isOutcome
      title="Verify your address first"
      lead="Nobody has opened the link in our mail yet. We have sent it to you again: open it, then log in. Earlier links do not count any more."
      aside={NO_MAIL}
    >
      <button type="button" className="button" onClick={onBack}>
        Back to the login
      </button>
    </Entrance>
  );
}
