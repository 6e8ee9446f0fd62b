import { useClient } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { Entrance } from "../components/entrance/Entrance";
import { FORGOTTEN, NO_MAIL } from "../components/entrance/asides";
import { Form } from "../components/forms/Form";
import { FormError } from "../components/forms/FormError";
import { errorsOf } from "../components/forms/errorsOf";
import { TextField } from "../components/forms/TextField";
import { useForm } from "../components/forms/useForm";
import { loginPath } from "../lib/next";

export function ForgotPasswordPage() {
  const [sentTo, setSentTo] = useState<string>();
  const toLogin = (
    <Link to={loginPath()} className="link">
      Back to the login
    </Link>
  );
  if (sentTo === undefined) {
    return (
      <Entrance
        title="Forgotten your password?"
        lead="Tell us the e-mail address of your account. We send a link there, to choose a new one."
        aside={FORGOTTEN}
      >
        <ForgotForm onSent={setSentTo} />
        <p className="entrance-end">{toLogin}</p>
      </Entrance>
    );
  }
  return (
    <Entrance
      isOutcome
      title="Look into your mailbox"
      lead={
        <>
          If <strong>{sentTo}</strong> has an account here, a link to choose a new password is on its
          way. It lives for an hour.
        </>
      }
      aside={NO_MAIL}
    >
      <button
        type="button"
        className="button button-second"
        onClick={() => { setSentTo(undefined); }}
      >
        Try another address
      </button>
      <p className="entrance-end">{toLogin}</p>
    </Entrance>
  );
}

function ForgotForm({ onSent }: { onSent: (email: string) => void }) {
  const form = useForm<"email">();
  const ask = useMutation({ mutationFn: useClient().forgotPassword });
  const submit = ({ email }: { email: string }) => {
    ask.mutate(email, {
      onSuccess: () => { onSent(email); },
      onError: (error) => { form.fail(errorsOf(["email"], error)); },
    });
  };
  return (
    <Form form={form} onSend={submit}>
      <TextField
        form={form}
        name="email"
        label="E-mail"
        input={{ type: "email", autoComplete: "email" }}
      />
      <FormError message={form.errors.form} />
      <button type="submit" className="button button-wide" disabled={ask.isPending}>
        {ask.isPending ? "Sending…" : "Send the link"}
      </button>
    </Form>
  );
}
