import { useClient, useSessions } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { isProblem } from "../../api/problem";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { PasswordField } from "../forms/PasswordField";
import { useForm } from "../forms/useForm";

/** Changes the password; the user's other sessions end. */
export function PasswordForm({ username }: { username: string }) {
  const { changePassword } = useClient();
  const { refresh } = useSessions();
  const form = useForm<"current_password" | "new_password">();
  const change = useMutation({
    mutationFn: changePassword,
    gcTime: 0,
    onSuccess: () => {
      form.reset();
      return refresh();
    },
    onError: (error) => {
      if (isProblem(error, "bad_credentials")) {
        form.fail({ current_password: "That is not your current password." });
      } else {
        form.fail(errorsOf(["current_password", "new_password"], error));
      }
    },
  });
  return (
    <Form
      form={form}
      className="narrow"
      onSend={(body) => { change.mutate(body); }}
    >
      {/* For password managers, which need the username. */}
      <input type="text" autoComplete="username" value={username} readOnly hidden />
      <PasswordField form={form} name="current_password" label="Current password" />
      <PasswordField form={form} name="new_password" label="New password" isNew />
      <FormError message={form.errors.form} />
      <p role="status" className="form-done">
        {change.isSuccess && "Changed. You are logged out everywhere else."}
      </p>
      <button type="submit" className="button" disabled={change.isPending}>
        {change.isPending ? "Changing…" : "Change password"}
      </button>
    </Form>
  );
}
