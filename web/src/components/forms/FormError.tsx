/** The error of a form as a whole. */
export function FormError({ message }: { message: string | undefined }) {
  return (
    <div role="alert">{message !== undefined && <p className="form-error">{message}</p>}</div>
  );
}
