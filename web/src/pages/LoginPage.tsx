import { Tabs } from "@base-ui/react/tabs";
import { useForm } from "react-hook-form";
import { Navigate, useSearchParams } from "react-router";
import { FormError } from "../components/forms/FormError";
import { showErrors } from "../components/forms/formErrors";
import { TextField } from "../components/forms/TextField";
import { Title } from "../components/shared/Title";
import { nextPath } from "../lib/next";
import { useLogIn, useSession, useSignUp } from "../session/session";

export function LoginPage() {
  const [search] = useSearchParams();
  const session = useSession();
  if (session.data) return <Navigate to={nextPath(search)} replace />;
  const tab =
    "min-h-10 flex-1 cursor-pointer border-b-2 border-transparent font-sans text-sm text-soft data-active:border-stamp data-active:text-ink";
  return (
    <section className="mx-auto max-w-sm">
      <Title>Log in</Title>
      <h1 className="mb-6 text-3xl font-semibold tracking-tight">Show your stamp</h1>
      <Tabs.Root defaultValue="log-in">
        <Tabs.List className="mb-6 flex border-b border-line">
          <Tabs.Tab value="log-in" className={tab}>
            Log in
          </Tabs.Tab>
          <Tabs.Tab value="sign-up" className={tab}>
            Sign up
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="log-in">
          <LogInForm />
        </Tabs.Panel>
        <Tabs.Panel value="sign-up">
          <SignUpForm />
        </Tabs.Panel>
      </Tabs.Root>
    </section>
  );
}

function LogInForm() {
  const form = useForm({ defaultValues: { username: "", password: "" } });
  const logIn = useLogIn();
  const submit = form.handleSubmit(({ username, password }) => {
    // An account without a password logs in by its name alone.
    const body = password === "" ? { username } : { username, password };
    logIn.mutate(body, {
      onError: (error) => { showErrors(form, ["username"], error); },
    });
  });
  return (
    <form noValidate onSubmit={(event) => void submit(event)}>
      <TextField form={form} name="username" label="Username" input={{ autoComplete: "username" }} />
      <TextField
        form={form}
        name="password"
        label="Password"
        input={{ type: "password", autoComplete: "current-password" }}
      />
      <FormError message={form.formState.errors.root?.message} />
      <button type="submit" className="button w-full" disabled={logIn.isPending}>
        {logIn.isPending ? "Logging in…" : "Log in"}
      </button>
    </form>
  );
}

function SignUpForm() {
  const form = useForm({ defaultValues: { username: "", email: "", password: "" } });
  const signUp = useSignUp();
  const submit = form.handleSubmit((body) => {
    signUp.mutate(body, {
      onError: (error) => { showErrors(form, ["username", "email", "password"], error); },
    });
  });
  return (
    <form noValidate onSubmit={(event) => void submit(event)}>
      <TextField
        form={form}
        name="username"
        label="Username"
        hint="2 to 32 letters, digits, dots, dashes or underscores."
        input={{ autoComplete: "username" }}
      />
      <TextField
        form={form}
        name="email"
        label="E-mail"
        input={{ type: "email", autoComplete: "email" }}
      />
      <TextField
        form={form}
        name="password"
        label="Password"
        hint="At least 8 characters. A few unrelated words do well."
        input={{ type: "password", autoComplete: "new-password" }}
      />
      <FormError message={form.formState.errors.root?.message} />
      <button type="submit" className="button w-full" disabled={signUp.isPending}>
        {signUp.isPending ? "Signing up…" : "Sign up"}
      </button>
    </form>
  );
}
