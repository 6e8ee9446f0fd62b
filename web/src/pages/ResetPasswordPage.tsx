import { useClient, useSession } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { isProblem } from "../api/problem";
import { Entrance } from "../components/entrance/Entrance";
import { Outcome } from "../components/entrance/Outcome";
import { NEW_PASSWORD } from "../components/entrance/asides";
import { Form } from "../components/forms/Form";
import { FormError } from "../components/forms/FormError";
import { errorsOf } from "../components/forms/errorsOf";
import { PasswordField } from "../components/forms/PasswordField";
import { useForm } from "../components/forms/useForm";
import { useLinkToken, spendToken } from "../lib/linkToken";
import { loginPath } from "../lib/next";

/** What the link in a mail about a forgotten password, or in an invitation, leads to. */
export function ResetPasswordPage() {
  const token = useLinkToken();
  const [outcome, setOutcome] = useState<"set" | "refused">();
  if (token) {
    return (
      <Entrance
        title="Choose a password"
        lead="From then on you log in with it."
        aside={NEW_PASSWORD}
      >
        <ResetForm key={token} token={token} onDone={setOutcome} />
      </Entrance>
    );
  }
  if (outcome === "set") return <PasswordSet />;
  return outcome ? (
    <AskAgain title="This link does not work any more">
      It was used already, has expired, or the password or the address was changed after it was sent.
      Your password is as it was.
    </AskAgain>
  ) : (
    <AskAgain title="Open the link in our mail">
      It leads here and lets you choose a password. We keep it out of the address bar, so when this page
      is loaded again, open it once more from the mail.
    </AskAgain>
  );
}

interface Props {
  token: string;
  onDone: (outcome: "set" | "refused") => void;
}

function ResetForm({ token, onDone }: Props) {
  const { user } = useSession();
  const form = useForm<"new_password">();
  const { resetPassword } = useClient();
  const reset = useMutation({
    mutationFn: (new_password: string) => resetPassword({ token, new_password }),
    onSuccess: () => {
      onDone("set");
      spendToken();
    },
    onError: (error) => {
      if (isProblem(error, "bad_token")) {
        onDone("refused");
        spendToken();
      } else {
        form.fail(errorsOf(["new_password"], error));
      }
    },
  });
  return (
    <Form form={form} onSend={({ new_password }) => { reset.mutate(new_password); }}>
      {/* For password managers, which need the username, as far as it is known. */}
      <input type="text" autoComplete="username" value={user?.username ?? ""} readOnly hidden />
      <PasswordField form={form} name="new_password" label="New password" isNew />
      <FormError message={form.errors.form} />
      <button type="submit" className="button button-wide" disabled={reset.isPending}>
        {reset.isPending ? "Setting…" : "Set the password"}
      </button>
    </Form>
  );
}

function PasswordSet() {
  const { user } = useSession();
  return (
    <Outcome title="Your new password is set">
      <p>Every device was logged out of the account. Log in with the new password.</p>
      {user ? (
        // Of another account: the user who was logged in to this one is not any more.
        <p>
          This browser is still logged in as <strong>{user.username}</strong>: log out first.
        </p>
      ) : (
        <Link to={loginPath()} className="button">
          Log in
        </Link>
      )}
    </Outcome>
  );
}

function AskAgain({ title, children }: { title: string; children: string }) {
  return (
    <Outcome title={title}>
      <p>{children}</p>
      <Link to="/forgot-password" className="button">
        Ask for another link
      </Link>
    </Outcome>
  );
}
