import type { Signup } from "@handstamp/client";
import { useClient, useSession } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { Link, Navigate, useSearchParams } from "react-router";
import { Entrance } from "../components/account/Entrance";
import { Form } from "../components/forms/Form";
import { FormError } from "../components/forms/FormError";
import { errorsOf } from "../components/forms/errorsOf";
import { PasswordField } from "../components/forms/PasswordField";
import { AS_TYPED, TextField } from "../components/forms/TextField";
import { useForm } from "../components/forms/useForm";
import { Title } from "../components/shared/Title";
import { loginPath, nextPath } from "../lib/next";

export function SignUpPage() {
  const [search] = useSearchParams();
  const { user } = useSession();
  if (user) return <Navigate to={nextPath(search)} replace />;
  const logIn = (
    <>
      Have an account?{" "}
      <Link to={loginPath(search.get("next") ?? undefined)} className="link">
        Log in
      </Link>
    </>
  );
  return (
    <Entrance title="Sign up" other={logIn}>
      <Title>Sign up</Title>
      <SignUpForm />
    </Entrance>
  );
}

function SignUpForm() {
  const form = useForm<keyof Signup>();
  const signUp = useMutation({ mutationFn: useClient().signup });
  const submit = (body: Signup) => {
    signUp.mutate(body, {
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
