import type { TotpSecret } from "@handstamp/client/factors";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useId, useRef } from "react";
import { isProblem } from "../../api/problem";
import { factors } from "../../lib/factors";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { AS_TYPED, TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";
import { QrCode } from "./QrCode";

interface Props {
  secret: TotpSecret;
  onCancel: () => void;
  onConfirmed: (recoveryCodes: string[]) => void;
}

/** Shows the secret to an authenticator app, and takes its first code. */
export function CodeSetup({ secret, onCancel, onConfirmed }: Props) {
  const form = useForm<"code">();
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  useEffect(() => heading.current?.focus(), []);
  const confirm = useMutation({
    mutationFn: factors.confirmTotp,
    gcTime: 0,
    onSuccess: onConfirmed,
    onError: (error) => {
      if (isProblem(error, "reauthentication_required")) return;
      const isWrong = isProblem(error, "bad_code");
      const text = "That is not the code that the app shows now. If it is, begin again, and see whether the clocks of your devices are right.";
      form.fail(isWrong ? { code: text } : errorsOf(["code"], error));
    },
  });
  return (
    <section className="sheet" aria-labelledby={id}>
      <h4 id={id} ref={heading} tabIndex={-1}>
        Set up your app
      </h4>
      <p>
        Scan this with an authenticator app,{" "}
        <a href={secret.uri} className="link">
          open it in one on this device
        </a>
        , or type the key below.
      </p>
      <div className="qr-box">
        <QrCode text={secret.uri} label="QR code for an authenticator app" />
      </div>
      <p className="secret">
        <span className="sr-only">Key: </span>
        {secret.secret.match(/.{1,4}/g)?.join(" ")}
      </p>
      <Form form={form} className="narrow" onSend={({ code }) => { confirm.mutate(code); }}>
        <TextField
          form={form}
          name="code"
          label="Code of the app"
          hint="Six digits, new every half minute."
          input={{ inputMode: "numeric", autoComplete: "one-time-code", ...AS_TYPED }}
        />
        <FormError message={form.errors.form} />
        <div className="buttons">
          <button type="submit" className="button" disabled={confirm.isPending}>
            {confirm.isPending ? "Turning on…" : "Turn on"}
          </button>
          <button type="button" className="button button-second" onClick={onCancel}>
            Cancel
          </button>
        </div>
      </Form>
    </section>
  );
}
