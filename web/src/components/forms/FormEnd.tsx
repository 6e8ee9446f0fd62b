import { FormError } from "./FormError";

interface Props {
  /** What is wrong with the form as a whole. */
  message: string | undefined;
  send: string;
  /** In the place of `send`, while it is sent. */
  sending: string;
  isPending: boolean;
  onCancel: () => void;
}

/** The end of a small form, which can be given up. */
export function FormEnd({ message, send, sending, isPending, onCancel }: Props) {
  return (
    <>
      <FormError message={message} />
      <div className="buttons">
        <button type="button" className="button button-second" onClick={onCancel}>
          Cancel
        </button>
        <button type="submit" className="button" disabled={isPending}>
          {isPending ? sending : send}
        </button>
      </div>
    </>
  );
}
