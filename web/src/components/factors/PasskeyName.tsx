import type { OwnPasskey } from "@handstamp/client/factors";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { isProblem } from "../../api/problem";
import { factors, passkeysQuery } from "../../lib/factors";
import { Form } from "../forms/Form";
import { FormEnd } from "../forms/FormEnd";
import { errorsOf } from "../forms/errorsOf";
import { TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";

/** Gives a passkey another name. */
export function PasskeyName({ passkey, onDone }: { passkey: OwnPasskey; onDone: () => void }) {
  const form = useForm<"name">();
  const queries = useQueryClient();
  const rename = useMutation({
    mutationFn: (name: string) => factors.renamePasskey(passkey.id, name),
    onSuccess: async () => {
      await queries.invalidateQueries(passkeysQuery);
      onDone();
    },
    onError: (error) => {
      // It was removed elsewhere: the row goes as well.
      if (isProblem(error, "not_found")) void queries.invalidateQueries(passkeysQuery);
      if (!isProblem(error, "reauthentication_required")) form.fail(errorsOf(["name"], error));
    },
  });
  return (
    <Form form={form} className="sheet" aria-label="Rename the passkey" onSend={({ name }) => { rename.mutate(name); }}>
      <TextField
        form={form}
        name="name"
        label="Name of the passkey"
        input={{ defaultValue: passkey.name, autoComplete: "off", autoFocus: true, maxLength: 64 }}
      />
      <FormEnd
        message={form.errors.form}
        send="Save"
        sending="Saving…"
        isPending={rename.isPending}
        onCancel={onDone}
      />
    </Form>
  );
}
