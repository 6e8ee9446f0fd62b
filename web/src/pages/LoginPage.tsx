import type { SecondFactor } from "@handstamp/client";
import { useClient, useSession } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link, Navigate, useSearchParams } from "react-router";
import { isProblem } from "../api/problem";
import { Entrance } from "../components/entrance/Entrance";
import { NO_MAIL } from "../components/entrance/asides";
import { PasskeyLogin } from "../components/factors/PasskeyLogin";
import { SecondStep } from "../components/factors/SecondStep";
import { Form } from "../components/forms/Form";
import { FormError } from "../components/forms/FormError";
import { errorsOf } from "../components/forms/errorsOf";
import { PasswordField } from "../components/forms/PasswordField";
import { AS_TYPED, TextField } from "../components/forms/TextField";
import { useForm } from "../components/forms/useForm";
import { nextPath, signUpPath } from "../lib/next";

export function LoginPage() {
  const [search] = useSearchParams();
  const { user } = useSession();
  const [isUnverified, setIsUnverified] = useState(false);
  const [secondStep, setSecondStep] = useState<SecondFactor>();
  if (user) return <Navigate to={nextPath(search)} replace />;
  if (isUnverified) return <Unverified onBack={() => { setIsUnverified(false); }} />;
  if (secondStep) {
    return (
      <Entrance isOutcome title="One more step" lead="Your password is right. Now the code of your authenticator app.">
        <SecondStep methods={secondStep.methods} onOver={() => { setSecondStep(undefined); }} />
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
      <LogInForm onUnverified={() => { setIsUnverified(true); }} onSecondStep={setSecondStep} />
      <div className="entrance-end">
        <PasskeyLogin />
      </div>
      <p className="entrance-end">
        <Link to="/forgot-password" className="link">
          Forgotten your password?
        </Link>
      </p>
    </Entrance>
  );
}

type Fields = Record<"username" | "password", string>;

interface LogInProps {
  onUnverified: () => void;
  onSecondStep: (next: SecondFactor) => void;
}

function LogInForm({ onUnverified, onSecondStep }: LogInProps) {
  const form = useForm<keyof Fields>();
  const logIn = useMutation({ mutationFn: useClient().login });
  const submit = ({ username, password }: Fields) => {
    // An account without a password logs in by its name alone.
    const body = password === "" ? { username } : { username, password };
    logIn.mutate(body, {
      onSuccess: (result) => {
        if ("next" in result) onSecondStep(result);
      },
      onError: (error) => {
        if (isProblem(error, "email_not_verified")) onUnverified();
        else form.fail(errorsOf(["username"], error));
      },
    });
  };
  return (
    <Form form={form} onSend={submit}>
      <TextField
        form={form}
        name="username"
        label="Username"
        input={{ autoComplete: "username webauthn", ...AS_TYPED }}
      />
      <PasswordField form={form} name="password" label="Password" />
      <FormError message={form.errors.form} />
      <button type="submit" className="button button-wide" disabled={logIn.isPending}>
        {logIn.isPending ? "Logging in…" : "Log in"}
      </button>
    </Form>
  );
}

/** For whoever has the right password, at a site that wants addresses verified. */
function Unverified({ onBack }: { onBack: () => void }) {
  return (
    <Entrance
      isOutcome
      title="Verify your address first"
      lead="Your password is right, but nobody has opened the link in our mail yet. We have sent it to you again: open it, then log in. Earlier links do not count any more."
      aside={NO_MAIL}
    >
      <button type="button" className="button" onClick={onBack}>
        Back to the login
      </button>
    </Entrance>
  );
}
