import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useForm } from "react-hook-form";
import { api, unwrap } from "../../api/client";
import { isProblem } from "../../api/problem";
import { sessionsQuery } from "../../lib/queries";
import { FormError } from "../forms/FormError";
import { showErrors } from "../forms/formErrors";
import { TextField } from "../forms/TextField";

/** Changes the password; the user's other sessions end. */
export function PasswordForm({ username }: { username: string }) {
  const client = useQueryClient();
  const form = useForm({ defaultValues: { current_password: "", new_password: "" } });
  const change = useMutation({
    mutationFn: (body: { current_password: string; new_password: string }) =>
      unwrap(api.POST("/password", { body })),
    onSuccess: () => {
      form.reset();
      return client.invalidateQueries(sessionsQuery);
    },
    onError: (error) => {
      if (isProblem(error, "bad_credentials")) {
        const message = "That is not your current password.";
        form.setError("current_password", { message }, { shouldFocus: true });
      } else {
        showErrors(form, ["current_password", "new_password"], error);
      }
    },
  });
  return (
    <form
      noValidate
      className="max-w-sm"
      onSubmit={(event) => void form.handleSubmit((body) => { change.mutate(body); })(event)}
    >
      {/* For password managers, which need the username. */}
      <input type="hidden" autoComplete="username" value={username} readOnly />
      <TextField
        form={form}
        name="current_password"
        label="Current password"
        input={{ type: "password", autoComplete: "current-password" }}
      />
      <TextField
        form={form}
        name="new_password"
        label="New password"
        input={{ type: "password", autoComplete: "new-password" }}
      />
      <FormError message={form.formState.errors.root?.message} />
      <p role="status" className="mb-4 font-sans text-sm">
        {change.isSuccess && "Changed. You are logged out everywhere else."}
      </p>
      <button type="submit" className="button" disabled={change.isPending}>
        {change.isPending ? "Changing…" : "Change password"}
      </button>
    </form>
  );
}
