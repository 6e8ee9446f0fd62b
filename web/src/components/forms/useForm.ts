import { useState } from "react";

/** What is wrong with each field, and under `form` with the form as a whole. */
export type Errors<Name extends string> = Partial<Record<Name | "form", string>>;

/** The state of a {@link Form}; what is typed stays in its inputs. */
export function useForm<Name extends string>() {
  const [errors, setErrors] = useState<Errors<Name>>({});
  const [resets, setResets] = useState(0);
  return {
    errors,
    /** How often it was emptied. */
    resets,
    /** Shows what is wrong; the focus goes to the first field that has to change. */
    fail: setErrors,
    /** Empties every field. */
    reset: () => { setResets((resets) => resets + 1); },
  };
}
