import type { SecondFactor } from "@handstamp/client";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { isProblem } from "../../api/problem";
import { factors } from "../../lib/factors";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { AS_TYPED, TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";

interface Props {
  methods: SecondFactor["methods"];
  /** Back to the first step, once it counts no more. */
  onOver: () => void;
}

/** The second step of a login: a code of the app, or one of those for when it is lost. */
export function SecondStep({ methods, onOver }: Props) {
  const [isRecovery, setIsRecovery] = useState(false);
  const form = useForm<"code">();
  const { loginWithCode, loginWithRecoveryCode } = factors;
  const logIn = useMutation({
    mutationFn: isRecovery ? loginWithRecoveryCode : loginWithCode,
    onError: (error) => {
      if (isProblem(error, "not_logged_in")) onOver();
      else if (isProblem(error, "bad_code")) {
        form.fail({ code: "That code is wrong, or was used already." });
      } else form.fail(errorsOf(["code"], error));
    },
  });
  return (
    <>
      <Form
        // What was typed is no code of the other kind.
        key={String(isRecovery)}
        form={form}
        onSend={({ code }) => { logIn.mutate(code); }}
      >
        {isRecovery ? (
          <TextField
            form={form}
            name="code"
            label="Recovery code"
            hint="One of the ten that you have kept. It counts once."
            input={{ autoComplete: "off", ...AS_TYPED }}
          />
        ) : (
          <TextField
            form={form}
            name="code"
            label="Code"
            hint="Six digits, which the app changes every half minute."
            input={{ inputMode: "numeric", autoComplete: "one-time-code", ...AS_TYPED }}
          />
        )}
        <FormError message={form.errors.form} />
        <button type="submit" className="button button-wide" disabled={logIn.isPending}>
          {logIn.isPending ? "Logging in…" : "Log in"}
        </button>
      </Form>
      {methods.includes("recovery_code") && (
        <p className="entrance-end">
          <button
            type="button"
            className="action"
            onClick={() => {
              form.fail({});
              setIsRecovery(!isRecovery);
            }}
          >
            {isRecovery ? "Use the app" : "The app is not at hand"}
          </button>
        </p>
      )}
    </>
  );
}
