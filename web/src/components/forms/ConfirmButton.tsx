import { useState, type ReactNode } from "react";
import { Dialog } from "./Dialog";

interface Props {
  label: ReactNode;
  title: string;
  text: string;
  confirm: string;
  isPending: boolean;
  onConfirm: () => void;
}

/** A button that asks for confirmation before an action that cannot be undone. */
export function ConfirmButton({ label, title, text, confirm, isPending, onConfirm }: Props) {
  const [isOpen, setIsOpen] = useState(false);
  const close = () => { setIsOpen(false); };
  return (
    <>
      <button
        type="button"
        className="action"
        disabled={isPending}
        onClick={() => { setIsOpen(true); }}
      >
        {label}
      </button>
      <Dialog isOpen={isOpen} onClose={close} role="alertdialog" title={title} text={text}>
        <div className="buttons">
          <button type="button" className="button button-second" onClick={close}>
            Cancel
          </button>
          <button
            type="button"
            className="button"
            onClick={() => {
              close();
              onConfirm();
            }}
          >
            {confirm}
          </button>
        </div>
      </Dialog>
    </>
  );
}
