import type { FieldValues, Path, UseFormReturn } from "react-hook-form";
import { Problem, messageOf } from "../../api/problem";

/**
 * Shows the server's messages beside the fields they belong to; returns the message for the form
 * as a whole, if any.
 */
export function showErrors<T extends FieldValues>(
  form: UseFormReturn<T>,
  fields: readonly Path<T>[],
  error: unknown,
): void {
  if (error instanceof Problem) {
    const named = fields.filter((field) => error.errors[field]);
    named.forEach((field, index) => {
      const message = error.errors[field]?.join(" ") ?? "";
      form.setError(field, { message: sentence(message) }, { shouldFocus: index === 0 });
    });
    if (named.length > 0) return;
    const taken = { username_taken: "username", email_taken: "email" }[error.code];
    const field = fields.find((field) => field === taken);
    if (field) {
      form.setError(field, { message: error.message }, { shouldFocus: true });
      return;
    }
  }
  form.setError("root", { message: messageOf(error) });
}

/** Turns the server's "must be …" into a sentence. */
function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}
