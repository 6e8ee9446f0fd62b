import { AlertDialog } from "@base-ui/react/alert-dialog";
import type { ReactNode } from "react";

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
  return (
    <AlertDialog.Root>
      <AlertDialog.Trigger className="button-quiet" disabled={isPending}>
        {label}
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fixed inset-0 bg-black/50" />
        <AlertDialog.Popup className="fixed top-1/2 left-1/2 w-[min(26rem,calc(100vw-2rem))] -translate-1/2 rounded-sm border border-line bg-card p-6 text-ink shadow-xl">
          <AlertDialog.Title className="mb-2 text-xl font-semibold">{title}</AlertDialog.Title>
          <AlertDialog.Description className="mb-6 leading-relaxed wrap-anywhere text-soft">
            {text}
          </AlertDialog.Description>
          <div className="flex justify-end gap-2">
            <AlertDialog.Close className="button-quiet">Cancel</AlertDialog.Close>
            <AlertDialog.Close className="button" onClick={onConfirm}>
              {confirm}
            </AlertDialog.Close>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
