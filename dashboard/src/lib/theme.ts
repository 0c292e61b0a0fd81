// Light, dark, or as the system says.

import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";

const KEY = "nexq.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();
let theme = read();

function read(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system"; // Storage may be forbidden.
  }
}

function resolved(): "light" | "dark" {
  return theme === "system" ? (system.matches ? "dark" : "light") : theme;
}

function apply(): void {
  document.documentElement.dataset.theme = resolved();
  for (const listener of listeners) listener();
}

export function setTheme(next: Theme): void {
  theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It lasts for this visit then.
  }
  apply();
}

/** Show the theme, and follow the system from now on. */
export function startTheme(): void {
  apply();
  system.addEventListener("change", apply);
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, () => theme);
}

/** The theme that is shown, for what CSS does not colour: charts. */
export function useShownTheme(): "light" | "dark" {
  return useSyncExternalStore(subscribe, resolved);
}
