import { useEffect, useId, useRef, type ReactNode } from "react";

interface Props {
  isOpen: boolean;
  /** Called when it is closed, by Escape as well. */
  onClose: () => void;
  role?: "alertdialog";
  title: string;
  text: string;
  children: ReactNode;
}

/** A modal dialog: the browser keeps the focus inside it, and gives it back. */
export function Dialog({ isOpen, onClose, role, title, text, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else if (dialog.current?.open) dialog.current.close();
  }, [isOpen]);
  return (
    <dialog
      ref={dialog}
      className="dialog"
      role={role}
      aria-labelledby={`${id}title`}
      aria-describedby={`${id}text`}
      onClose={onClose}
    >
      {isOpen && (
        <>
          <h2 id={`${id}title`}>{title}</h2>
          <p id={`${id}text`} className="dialog-text">
            {text}
          </p>
          {children}
        </>
      )}
    </dialog>
  );
}
