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
import { nextPath, signUpPath } from "../lib/next";

export function LoginPage() {
  const [search] = useSearchParams();
  const { user } = useSession();
  if (user) return <Navigate to={nextPath(search)} replace />;
  const signUp = (
    <>
      New here?{" "}
      <Link to={signUpPath(search.get("next") ?? undefined)} className="link">
        Sign up
      </Link>
    </>
  );
  return (
    <Entrance title="Log in" other={signUp}>
      <Title>Log in</Title>
      <LogInForm />
    </Entrance>
  );
}

type Fields = Record<"username" | "password", string>;

function LogInForm() {
  const form = useForm<keyof Fields>();
  const logIn = useMutation({ mutationFn: useClient().login });
  const submit = ({ username, password }: Fields) => {
    // An account without a password logs in by its name alone.
    const body = password === "" ? { username } : { username, password };
    logIn.mutate(body, {
      onError: (error) => { form.fail(errorsOf(["username"], error)); },
    });
  };
  return (
    <Form form={form} onSend={submit}>
      <TextField
        form={form}
        name="username"
        label="Username"
        input={{ autoComplete: "username", ...AS_TYPED }}
      />
      <PasswordField form={form} name="password" label="Password" />
      <FormError message={form.errors.form} />
      <button type="submit" className="button button-wide" disabled={logIn.isPending}>
        {logIn.isPending ? "Logging in…" : "Log in"}
      </button>
    </Form>
  );
}
