import type { User } from "@handstamp/client";
import { EmailForm } from "./EmailForm";
import { SendVerification } from "./SendVerification";

/** The user's address, whether it is verified, and a change of it. */
export function EmailSettings({ user: { email, email_verified: isVerified } }: { user: User }) {
  return (
    <>
      {email === null ? (
        <p className="part-text">
          There is none. With one, you can get back in after forgetting your password.
        </p>
      ) : (
        <p className="part-text part-line">
          <strong>{email}</strong>
          <span className={isVerified ? "tag tag-quiet" : "tag"}>
            {isVerified ? "Verified" : "Not verified"}
          </span>
        </p>
      )}
      {email !== null && !isVerified && (
        <div className="part-text">
          <p>Open the link in our mail, so that we know it is yours.</p>
          <SendVerification className="button-second" />
        </div>
      )}
      <EmailForm current={email} />
    </>
  );
}
