import { Field } from "@base-ui/react/field";
import type { InputHTMLAttributes, TextareaHTMLAttributes } from "react";
import type { FieldValues, Path, UseFormReturn } from "react-hook-form";

interface Props<T extends FieldValues> {
  form: UseFormReturn<T>;
  name: Path<T>;
  label: string;
  hint?: string;
  input?: InputHTMLAttributes<HTMLInputElement>;
  /** Makes it a text area of this many rows. */
  area?: TextareaHTMLAttributes<HTMLTextAreaElement>;
}

/** A labelled field with its error beside it. */
export function TextField<T extends FieldValues>(props: Props<T>) {
  const { form, name, label, hint, input, area } = props;
  const error = form.getFieldState(name, form.formState).error?.message;
  const registered = form.register(name);
  return (
    <Field.Root invalid={error !== undefined} className="mb-4">
      <Field.Label className="mb-1 block font-sans text-sm font-medium">{label}</Field.Label>
      {area ? (
        <Field.Control {...registered} render={<textarea {...area} />} className="field" />
      ) : (
        <Field.Control {...registered} {...input} className="field" />
      )}
      {hint !== undefined && error === undefined && (
        <Field.Description className="small mt-1">{hint}</Field.Description>
      )}
      <Field.Error match={error !== undefined} className="mt-1 font-sans text-sm text-stamp">
        {error}
      </Field.Error>
    </Field.Root>
  );
}
