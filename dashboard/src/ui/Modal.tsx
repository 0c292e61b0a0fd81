import { Dialog, DialogPanel, DialogTitle } from "@headlessui/react";
import { type ReactNode, useState } from "react";
import { Problem } from "../api/client";
import { Button } from "./Button";

interface Props {
  title: string;
  onClose: () => void;
  children: ReactNode;
}

export function Modal({ title, onClose, children }: Props) {
  return (
    <Dialog open onClose={onClose}>
      <div className="veil" aria-hidden="true" />
      <div className="dialog-place">
        <DialogPanel className="dialog">
          <DialogTitle as="h2">{title}</DialogTitle>
          {children}
        </DialogPanel>
      </div>
    </Dialog>
  );
}

interface ConfirmProps extends Props {
  /** What the button says: the deed, not "OK". */
  deed: string;
  danger?: boolean;
  disabled?: boolean;
  act: () => Promise<unknown>;
}

/** Asks before a deed; stays open with what went wrong. */
export function Confirm({ title, onClose, children, deed, danger, disabled, act }: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  const go = async () => {
    setBusy(true);
    setWrong("");
    try {
      await act();
      onClose();
    } catch (error) {
      setWrong(error instanceof Problem ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <Modal title={title} onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy && !disabled) void go();
        }}
      >
        {children}
        {wrong && (
          <p className="wrong" role="alert">
            {wrong}
          </p>
        )}
        <div className="dialog-buttons">
          <Button look="quiet" onClick={onClose}>
            Keep as it is
          </Button>
          <Button type="submit" look={danger ? "danger" : "main"} disabled={busy || disabled}>
            {busy ? "Working…" : deed}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
