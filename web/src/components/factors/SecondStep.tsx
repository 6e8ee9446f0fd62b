import type { LoginProgress } from "@handstamp/client/react/login";
import { useMemo, useState } from "react";
import { isProblem } from "../../api/problem";
import { Form } from "../forms/Form";
import { FormError } from "../forms/FormError";
import { errorsOf } from "../forms/errorsOf";
import { AS_TYPED, TextField } from "../forms/TextField";
import { useForm } from "../forms/useForm";

/** The second step of a login: a code of the app, or one of those for when it is not at hand. */
export function SecondStep({ progress }: { progress: LoginProgress }) {
  const { methods, error, pending, loginWithCode, loginWithRecoveryCode, restart } = progress;
  const [isRecovery, setIsRecovery] = useState(!methods.includes("totp"));
  const [isOld, setIsOld] = useState(false);
  const plain = useForm<"code">();
  const errors = useMemo(() => {
    if (!error || isOld) return {};
    const isWrong = isProblem(error, "bad_code");
    return isWrong ? { code: "That code is wrong, or was used already." } : errorsOf(["code"], error);
  }, [error, isOld]);
  const form = { ...plain, errors };
  const send = isRecovery ? loginWithRecoveryCode : loginWithCode;
  return (
    <>
      <Form
        // What was typed is no code of the other kind.
        key={String(isRecovery)}
        form={form}
        onSend={({ code }) => {
          setIsOld(false);
          void send(code);
        }}
      >
        {isRecovery ? (
          <TextField
            form={form}
            name="code"
            label="Recovery code"
            hint="One of those that you have kept. It counts once."
            input={{ autoComplete: "off", autoFocus: true, ...AS_TYPED }}
          />
        ) : (
          <TextField
            form={form}
            name="code"
            label="Code"
            hint="Six digits in your authenticator app, new every half minute."
            input={{ inputMode: "numeric", autoComplete: "one-time-code", autoFocus: true, ...AS_TYPED }}
          />
        )}
        <FormError message={form.errors.form} />
        <button type="submit" className="button button-wide" disabled={pending !== null}>
          {pending === "code" ? "Logging in…" : "Log in"}
        </button>
      </Form>
      <div className="entrance-end buttons">
        {methods.length > 1 && (
          <button
            type="button"
            className="action action-first"
            onClick={() => {
              setIsOld(true);
              setIsRecovery(!isRecovery);
            }}
          >
            {isRecovery ? "Use the authenticator app" : "Use a recovery code"}
          </button>
        )}
        <button type="button" className="action action-first" disabled={pending !== null} onClick={restart}>
          Back to the password
        </button>
      </div>
    </>
  );
}
