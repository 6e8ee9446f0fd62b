/** The recovery codes, which are shown this once. */
export function RecoveryCodes({ codes, onKept }: { codes: string[]; onKept: () => void }) {
  return (
    <div className="sheet" role="status">
      <p className="part-text">
        Keep these ten codes where your phone is not: on paper, or in a password manager. Each logs in
        once when the app is not at hand. They are not shown again.
      </p>
      <ul role="list" className="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <button type="button" className="button" onClick={onKept}>
        I have kept them
      </button>
    </div>
  );
}
