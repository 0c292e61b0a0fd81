// Short messages about what was done, and what could not be.

import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { Button } from "./Button";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

interface Say {
  done: (text: string) => void;
  failed: (error: unknown) => void;
}

const SHOWN_MS = 5000;
const MOST = 4;
const Context = createContext<Say>({ done: () => {}, failed: () => {} });
let next = 0;

export function useSay(): Say {
  return useContext(Context);
}

export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<Toast[]>([]);
  const drop = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const say = useMemo<Say>(() => {
    const show = (text: string, bad: boolean) => {
      next += 1;
      const id = next;
      setToasts((all) => [...all.slice(1 - MOST), { id, text, bad }]);
      setTimeout(() => drop(id), bad ? 2 * SHOWN_MS : SHOWN_MS);
    };
    return {
      done: (text) => show(text, false),
      failed: (error) => show(error instanceof Error ? error.message : String(error), true),
    };
  }, [drop]);
  return (
    <Context.Provider value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map((toast) => (
          <div className="toast" key={toast.id} data-bad={toast.bad ? "" : undefined}>
            <span>{toast.text}</span>
            <Button
              look="quiet"
              size="small"
              icon="close"
              aria-label="Dismiss"
              onClick={() => drop(toast.id)}
            />
          </div>
        ))}
      </div>
    </Context.Provider>
  );
}
