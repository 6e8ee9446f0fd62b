import { useEffect, useId, useRef, useState } from "react";

interface Props {
  username: string;
  codes: string[];
  onKept: () => void;
}

/** The recovery codes, which are shown this once. */
export function RecoveryCodes({ username, codes, onKept }: Props) {
  const [isCopied, setIsCopied] = useState<boolean>();
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  useEffect(() => heading.current?.focus(), []);
  const text = codes.join("\n");
  return (
    <section className="sheet" aria-labelledby={id}>
      <h4 id={id} ref={heading} tabIndex={-1}>
        Your recovery codes
      </h4>
      <p className="part-text">
        Each of them logs you in once, with your password, when the app is not at hand. Keep them where your
        phone is not: on paper, or in a password manager. <strong>They are not shown again.</strong>
      </p>
      <ul role="list" className="codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ul>
      <p role="status" className="form-done">
        {isCopied === true && "Copied."}
      </p>
      <div role="alert">
        {isCopied === false && (
          <p className="form-error">Your browser did not copy them. Download them, or write them down.</p>
        )}
      </div>
      <div className="buttons">
        <button
          type="button"
          className="button button-second"
          onClick={() => {
            copy(text).then(() => { setIsCopied(true); }, () => { setIsCopied(false); });
          }}
        >
          Copy
        </button>
        <button
          type="button"
          className="button button-second"
          onClick={() => { save(`Recovery codes of ${username} at ${location.host}\n\n${text}\n`); }}
        >
          Download
        </button>
        <button type="button" className="button" onClick={onKept}>
          I have kept them
        </button>
      </div>
    </section>
  );
}

/** Rejects where pages cannot copy, as those from `http://` cannot. */
async function copy(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}

/** Has the browser save `text` as a file. */
function save(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: "recovery-codes.txt" });
  link.click();
  // Some browsers read it only after the click.
  setTimeout(() => { URL.revokeObjectURL(url); }, 60_000);
}
