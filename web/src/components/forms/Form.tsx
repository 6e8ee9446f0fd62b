import { useEffect, useRef, type ReactNode, type SubmitEvent } from "react";
import type { Errors } from "./useForm";

interface Props<Name extends string> {
  form: { errors: Errors<Name>; resets: number; fail: (errors: Errors<Name>) => void };
  className?: string;
  "aria-label"?: string;
  /** Gets what is in the fields, once it is submitted. */
  onSend: (fields: Record<Name, string>) => void;
  children: ReactNode;
}

/** A form whose fields are plain inputs, with names; the server says what is wrong with them. */
export function Form<Name extends string>(props: Props<Name>) {
  const { form, onSend, children, ...attributes } = props;
  const { errors, resets, fail } = form;
  const element = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const fields = Array.from(element.current?.elements ?? []) as HTMLInputElement[];
    fields.find(({ name }) => name in errors)?.focus();
  }, [errors]);
  useEffect(() => {
    if (resets > 0) element.current?.reset();
  }, [resets]);
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    fail({});
    onSend(Object.fromEntries(new FormData(event.currentTarget)) as Record<Name, string>);
  };
  return (
    <form {...attributes} ref={element} noValidate onSubmit={submit}>
      {children}
    </form>
  );
}
