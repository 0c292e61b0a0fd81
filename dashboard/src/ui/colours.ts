// The theme's colours as plain text, for a canvas.

export type Tone = "accent" | "accent-line" | "ink-3" | "line-strong" | "red-mark" | "amber-mark";

/** A function that reads colours of the theme that is shown now. */
export function colours(): (name: Tone | "line" | "accent-soft") => string {
  const probe = document.createElement("i");
  document.body.append(probe);
  const read = new Map<string, string>();
  for (const name of [
    "accent",
    "accent-line",
    "ink-3",
    "line-strong",
    "red-mark",
    "amber-mark",
    "line",
    "accent-soft",
  ]) {
    probe.style.color = `var(--${name})`;
    read.set(name, getComputedStyle(probe).color);
  }
  probe.remove();
  return (name) => read.get(name) ?? "gray";
}
