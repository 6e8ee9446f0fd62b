import type { Signup } from "@handstamp/client";
import { useClient, useSession } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link, Navigate, useSearchParams } from "react-router";
import { Entrance } from "../components/entrance/Entrance";
import { NO_MAIL } from "../components/entrance/asides";
import { Form } from "../components/forms/Form";
import { FormError } from "../components/forms/FormError";
import { errorsOf } from "../components/forms/errorsOf";
import { PasswordField } from "../components/forms/PasswordField";
import { AS_TYPED, TextField } from "../components/forms/TextField";
import { useForm } from "../components/forms/useForm";
import { loginPath, nextPath } from "../lib/next";

export function SignUpPage() {
  const [search] = useSearchParams();
  const { user } = useSession();
  const [sentTo, setSentTo] = useState<string>();
  if (user) return <Navigate to={nextPath(search)} replace />;
  const toLogin = loginPath(search.get("next") ?? undefined);
  if (sentTo !== undefined) {
    return (
      <Entrance
        isOutcome
        title="Look into your mailbox"
        lead={
          <>
            We have sent a link to <strong>{sentTo}</strong>. Open it within 24 hours, then log in.
          </>
        }
        aside={NO_MAIL}
      >
        <Link to={toLogin} className="button">
          To the login
        </Link>
      </Entrance>
    );
  }
  const logIn = (
    <>
      Have an account?{" "}
      <Link to={toLogin} className="link">
        Log in
      </Link>
    </>
  );
  return (
    <Entrance title="Sign up" lead={logIn}>
      <SignUpForm onSent={setSentTo} />
    </Entrance>
  );
}

/** `onSent` gets the address that a link was sent to, where it has to be verified first. */
function SignUpForm({ onSent }: { onSent: (email: string) => void }) {
  const form = useForm<keyof Signup>();
  const signUp = useMutation({ mutationFn: useClient().signup });
  const submit = (body: Signup) => {
    signUp.mutate(body, {
      onSuccess: (result) => {
        if ("next" in result) onSent(body.email);
      },
      onError: (error) => { form.fail(errorsOf(["username", "email", "password"], error)); },
    });
  };
  return (
    <Form form={form} onSend={submit}>
      <TextField
        form={form}
        name="username"
        label="Username"
        hint="2 to 32 letters, digits, dots, dashes or underscores. Everybody can see it."
        input={{ autoComplete: "username", ...AS_TYPED }}
      />
      <TextField
        form={form}
        name="email"
        label="E-mail"
        input={{ type: "email", autoComplete: "email" }}
      />
      <PasswordField form={form} name="password" label="Password" isNew />
      <FormError message={form.errors.form} />
      <button type="submit" className="button button-wide" disabled={signUp.isPending}>
        {signUp.isPending ? "Signing up…" : "Sign up"}
      </button>
    </Form>
  );
}
