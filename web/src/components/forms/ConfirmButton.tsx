import { useState, type ReactNode } from "react";
import { Dialog } from "./Dialog";

interface Props {
  className?: string;
  label: ReactNode;
  title: string;
  text: string;
  confirm: string;
  isPending: boolean;
  onConfirm: () => void;
}

/** A button that asks for confirmation before an action that cannot be undone. */
export function ConfirmButton(props: Props) {
  const { className = "action", label, title, text, confirm, isPending, onConfirm } = props;
  const [isOpen, setIsOpen] = useState(false);
  const close = () => { setIsOpen(false); };
  return (
    <>
      <button
        type="button"
        className={className}
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
