import { useId, type ReactNode } from "react";

interface Control {
  id: string;
  "aria-invalid": boolean;
  "aria-describedby": string | undefined;
}

interface Props {
  label: string;
  /** What to know before typing; it stays while there is an error. */
  hint?: ReactNode;
  error: string | undefined;
  children: (control: Control) => ReactNode;
}

/** A label, the control that it names, and what is said about it. */
export function Field({ label, hint, error, children }: Props) {
  const id = useId();
  const described = [hint && `${id}hint`, error !== undefined && `${id}error`].filter(Boolean);
  return (
    <div className="field">
      <label htmlFor={id} className="field-label">
        {label}
      </label>
      {children({
        id,
        "aria-invalid": error !== undefined,
        "aria-describedby": described.join(" ") || undefined,
      })}
      {error !== undefined && (
        <p id={`${id}error`} className="field-error">
          {error}
        </p>
      )}
      {hint && (
        <div id={`${id}hint`} className="field-hint">
          {hint}
        </div>
      )}
    </div>
  );
}
