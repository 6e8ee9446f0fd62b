/** The logo. */
export function Stamp() {
  return (
    <svg viewBox="0 0 64 64" aria-hidden="true" className="stamp">
      <circle cx="32" cy="32" r="27" />
      <circle cx="32" cy="32" r="20" strokeWidth="2" />
      <path d="M23 33l6.5 6.5L42 26" strokeWidth="5" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
