// One of a few: an enum, yes or no.

import { toText } from "../../../lib/exact";
import type { Draft } from "../../../lib/schema/draft";
import type { Shape } from "../../../lib/schema/schema";
import type { FieldProps } from "./types";

type FlagProps = FieldProps & { draft: Extract<Draft, { kind: "flag" }> };

export function FlagField({ id, draft, onChange }: FlagProps) {
  return (
    <select
      className="input"
      id={id}
      value={String(draft.on)}
      onChange={(event) => onChange({ kind: "flag", on: event.target.value === "true" })}
    >
      <option value="false">no (false)</option>
      <option value="true">yes (true)</option>
    </select>
  );
}

type ChoiceProps = FieldProps & {
  draft: Extract<Draft, { kind: "choice" }>;
  shape: Extract<Shape, { kind: "choice" }>;
};

export function ChoiceField({ id, pointer, draft, shape, wrong, onChange }: ChoiceProps) {
  return (
    <select
      className="input"
      id={id}
      aria-invalid={wrong[pointer] !== undefined}
      value={draft.at}
      onChange={(event) => onChange({ kind: "choice", at: Number(event.target.value) })}
    >
      {draft.at < 0 && <option value={-1}>Choose…</option>}
      {shape.values.map((value, at) => (
        <option key={toText(value)} value={at}>
          {typeof value === "string" ? value : toText(value)}
        </option>
      ))}
    </select>
  );
}
