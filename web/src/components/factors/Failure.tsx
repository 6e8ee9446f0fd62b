import { failureOf } from "./failureOf";

/** Says what went wrong, if it is worth saying. */
export function Failure({ error }: { error: unknown }) {
  const text = failureOf(error);
  return <div role="alert">{text !== null && <p className="field-error">{text}</p>}</div>;
}
