import { useEffect, useRef, useState } from "react";
import { Field } from "./Field";
import { PasswordRules } from "./PasswordRules";
import type { Errors } from "./useForm";

interface Props<Name extends string> {
  form: { errors: Errors<Name> };
  name: Name;
  label: string;
  /** Whether it is being chosen: a password manager then offers a new one, and the rules show. */
  isNew?: boolean;
}

/** A password, which can be shown. */
export function PasswordField<Name extends string>({ form, name, label, isNew }: Props<Name>) {
  const input = useRef<HTMLInputElement>(null);
  const [isShown, setIsShown] = useState(false);
  const [typed, setTyped] = useState("");
  useEffect(() => {
    const owner = input.current?.form;
    const forget = () => {
      setTyped("");
      setIsShown(false);
    };
    owner?.addEventListener("reset", forget);
    return () => owner?.removeEventListener("reset", forget);
  }, []);
  return (
    <Field label={label} hint={isNew && <PasswordRules password={typed} />} error={form.errors[name]}>
      {(control) => (
        <div className="field-box">
          <input
            {...control}
            ref={input}
            name={name}
            type={isShown ? "text" : "password"}
            autoComplete={isNew ? "new-password" : "current-password"}
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
            className="field-control field-password"
            onChange={(event) => { setTyped(event.target.value); }}
          />
          <button
            type="button"
            className="field-show"
            aria-controls={control.id}
            onClick={() => { setIsShown(!isShown); }}
          >
            {isShown ? "Hide" : "Show"}
            <span className="sr-only"> the {label.toLowerCase()}</span>
          </button>
        </div>
      )}
    </Field>
  );
}
