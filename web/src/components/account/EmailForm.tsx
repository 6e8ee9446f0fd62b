import { useClient } from "@handstamp/client/react";
import { useMutation } from "@tanstack/react-query";
import { isProblem } from "../../api/problem";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";

/** Asks for another address, which counts once the link that is sent there was opened. */
export function EmailForm({ current }: { current: string | null }) {
  const form = useForm<"email">();
  const change = useMutation({
    mutationFn: useClient().changeEmail,
    onSuccess: form.reset,
    onError: (error) => {
      // A user who does not give the password knows that nothing was changed.
      if (!isProblem(error, "reauthentication_required")) form.fail(errorsOf(["email"], error));
    },
  });
  return (
    <Form form={form} className="narrow" onSend={({ email }) => { change.mutate(email); }}>
      <TextField
        form={form}
        name="email"
        label="New e-mail address"
        input={{ type: "email", autoComplete: "email" }}
      />
      <FormError message={form.errors.form} />
      <p role="status" className="form-done">
        {change.isSuccess && change.variables !== current && (
          <>
            We have sent a link to <strong>{change.variables}</strong>. Open it within 24 hours:{" "}
            {current === null ? "then it is your address." : "until then your address stays as it is."}
          </>
        )}
      </p>
      <button type="submit" className="button" disabled={change.isPending}>
        {change.isPending ? "Sending…" : "Change address"}
      </button>
    </Form>
  );
}
