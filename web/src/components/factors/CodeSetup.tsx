import type { TotpSecret } from "@handstamp/client/factors";
import { useMutation } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { isProblem } from "../../api/problem";
import { factors } from "../../lib/factors";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";

const QrCode = lazy(async () => ({ default: (await import("./QrCode")).QrCode }));

interface Props {
  secret: TotpSecret;
  onCancel: () => void;
  onConfirmed: (recoveryCodes: string[]) => void;
}

/** Shows the secret to an authenticator app, and takes its first code. */
export function CodeSetup({ secret, onCancel, onConfirmed }: Props) {
  const form = useForm<"code">();
  const confirm = useMutation({
    mutationFn: factors.confirmTotp,
    onSuccess: onConfirmed,
    onError: (error) => {
      if (isProblem(error, "reauthentication_required")) return;
      const isWrong = isProblem(error, "bad_code");
      form.fail(isWrong ? { code: "That is not the code of this secret." } : errorsOf(["code"], error));
    },
  });
  return (
    <div className="sheet">
      <p>Scan this with an authenticator app, or type the secret below it.</p>
      <div className="qr-box">
        <Suspense>
          <QrCode text={secret.uri} label="QR code for an authenticator app" />
        </Suspense>
      </div>
      <p className="secret">{secret.secret.match(/.{1,4}/g)?.join(" ")}</p>
      <Form form={form} onSend={({ code }) => { confirm.mutate(code); }}>
        <TextField
          form={form}
          name="code"
          label="Code of the app"
          input={{ inputMode: "numeric", autoComplete: "one-time-code" }}
        />
        <FormError message={form.errors.form} />
        <div className="buttons">
          <button type="button" className="button button-second" onClick={onCancel}>
            Cancel
          </button>
          <button type="submit" className="button" disabled={confirm.isPending}>
            {confirm.isPending ? "Turning on…" : "Turn codes on"}
          </button>
        </div>
      </Form>
    </div>
  );
}
