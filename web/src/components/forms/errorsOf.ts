import { Problem } from "@handstamp/client";
import { messageOf } from "../../api/problem";
import type { Errors } from "./useForm";

/** The server's messages at the fields they belong to; one for the form when there is none. */
export function errorsOf<Name extends string>(
  fields: readonly Name[],
  error: unknown,
): Errors<Name> {
  if (error instanceof Problem) {
    const named = fields.flatMap((field) => {
      const messages = error.errors[field];
      return messages ? [[field, sentence(messages.join(" "))]] : [];
    });
    if (named.length > 0) return Object.fromEntries(named) as Errors<Name>;
    const taken = { username_taken: "username", email_taken: "email" }[error.code];
    const field = fields.find((field) => field === taken);
    if (field) return { [field]: error.message } as Errors<Name>;
  }
  return { form: messageOf(error) } as Errors<Name>;
}

/** Turns the server's "must be …" into a sentence. */
function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
