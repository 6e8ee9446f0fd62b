/** The error of a form as a whole. */
export function FormError({ message }: { message: string | undefined }) {
  return (
    <div role="alert">
      {message !== undefined && (
        <p className="mb-4 border-l-4 border-stamp py-1 pl-3 font-sans text-sm text-stamp">
          {message}
        </p>
      )}
    </div>
  );
}
