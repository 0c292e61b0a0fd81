// Keys for everything: ⌘K, ?, /, g and a letter, n, p.

import { useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { useSession } from "../lib/session";
import { useLive } from "../live/LiveProvider";
import { NAV } from "./nav";

export const SHORTCUTS: [string, string][] = [
  ["Ctrl K or ⌘K", "Find, go to, do"],
  ["/", "Search the jobs"],
  ["n", "New job"],
  ["p", "Pause live updates, or go on"],
  ...NAV.flat().map((place): [string, string] => [`g ${place.key}`, place.name]),
  ["j, k", "Next and previous row of a table"],
  ["Enter", "Open the row"],
  ["x", "Choose the row"],
  ["?", "These keys"],
];

/** How long after `g` its letter may come. */
const CHORD_MS = 1500;

export function useShortcuts({ palette, help }: { palette: () => void; help: () => void }): void {
  const navigate = useNavigate();
  const { may } = useSession();
  const live = useLive();
  const chordUntil = useRef(0);

  useEffect(() => {
    const go = (event: KeyboardEvent): boolean => {
      if (performance.now() < chordUntil.current) {
        chordUntil.current = 0;
        const place = NAV.flat().find((each) => each.key === event.key);
        if (place) navigate(place.path);
        return place !== undefined;
      }
      if (event.key === "g") chordUntil.current = performance.now() + CHORD_MS;
      else if (event.key === "?") help();
      else if (event.key === "/") toSearch(navigate);
      else if (event.key === "n" && may("write")) navigate("/new");
      else if (event.key === "p") live.setPaused(!live.paused);
      else return false;
      return true;
    };
    const onKey = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        palette();
      } else if (!isTyping(event) && go(event)) event.preventDefault();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate, palette, help, may, live]);
}

function toSearch(navigate: (path: string) => void): void {
  const field = document.getElementById("job-search");
  if (field) field.focus();
  else navigate("/jobs?focus=search");
}

/** Whether keys belong to a field, a menu or a dialog now. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.metaKey || event.ctrlKey || event.altKey) return true;
  const target = event.target;
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("[role=dialog],[role=menu],[role=listbox]")) return true;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}
