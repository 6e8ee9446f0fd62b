import type { InputHTMLAttributes, TextareaHTMLAttributes } from "react";
import { Field } from "./Field";
import type { Errors } from "./useForm";

interface Props<Name extends string> {
  form: { errors: Errors<Name> };
  name: Name;
  label: string;
  hint?: string;
  input?: InputHTMLAttributes<HTMLInputElement>;
  /** Makes it a text area of this many rows. */
  area?: TextareaHTMLAttributes<HTMLTextAreaElement>;
}

/** A line, or an area, of text. */
export function TextField<Name extends string>(props: Props<Name>) {
  const { form, name, label, hint, input, area } = props;
  return (
    <Field label={label} hint={hint} error={form.errors[name]}>
      {(control) =>
        area ? (
          <textarea name={name} {...area} {...control} className="field-control" />
        ) : (
          <input name={name} type="text" {...input} {...control} className="field-control" />
        )
      }
    </Field>
  );
}

/** For a username, which is typed as it is. */
export const AS_TYPED = {
  autoCapitalize: "none",
  autoCorrect: "off",
  spellCheck: false,
} satisfies InputHTMLAttributes<HTMLInputElement>;
