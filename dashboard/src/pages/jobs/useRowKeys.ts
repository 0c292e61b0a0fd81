// j and k walk the rows of a table, x chooses one; Enter follows its link, as it does anyway.

import { useEffect } from "react";
import { isTyping } from "../../shell/useShortcuts";

export function useRowKeys(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const onBox = event.target instanceof HTMLInputElement && event.target.type === "checkbox";
      if (!["j", "k", "x"].includes(event.key) || (isTyping(event) && !onBox)) return;
      const rows = [...document.querySelectorAll<HTMLElement>("tr[data-row]")];
      const at = rows.findIndex((row) => row.contains(document.activeElement));
      if (event.key === "x") rows[at]?.querySelector<HTMLInputElement>("input[type=checkbox]")?.click();
      else
        rows[event.key === "j" ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0)]
          ?.querySelector("a")
          ?.focus();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
