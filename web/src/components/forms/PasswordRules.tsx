/** The server's shortest password. */
const SHORTEST = 8;

/** What a new password has to be, ticked off while it is typed. */
export function PasswordRules({ password }: { password: string }) {
  const isLongEnough = Array.from(password).length >= SHORTEST;
  return (
    <>
      <p className="rule" data-kept={isLongEnough}>
        <svg viewBox="0 0 12 12" aria-hidden="true">
          <circle cx="6" cy="6" r="4.5" />
          <path d="M1 6.5l3.5 3.5L11 2.5" />
        </svg>
        At least {SHORTEST} characters
        {isLongEnough && <span className="sr-only">: it has them</span>}
      </p>
      <p>Easily guessed ones are refused. A few unrelated words do well.</p>
    </>
  );
}
