// Texts, numbers, dates, and JSON of any kind.

import { isSecretName } from "../../../lib/redact";
import type { Draft } from "../../../lib/schema/draft";
import { resolve, type Shape } from "../../../lib/schema/schema";
import type { FieldProps } from "./types";

const INPUT_TYPES: Record<string, string> = {
  "date-time": "datetime-local",
  date: "date",
  time: "time",
  email: "email",
  password: "password",
};
const HINTS: Record<string, string> = {
  "date-time": "In your own time zone.",
  duration: "ISO 8601, like PT90S or P1DT2H.",
  uuid: "Like 123e4567-e89b-12d3-a456-426614174000.",
  uri: "Like https://example.com/page.",
};
/** What a date field can show; others, such as dates with a zone, are shown as text. */
const DATE_FORMS: Record<string, RegExp> = {
  "date-time": /^(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?)?$/,
  date: /^(\d{4}-\d\d-\d\d)?$/,
  time: /^(\d\d:\d\d(:\d\d)?)?$/,
};
/** Longer texts get more than a line. */
const LONG = 120;

type Props = FieldProps & { draft: Extract<Draft, { kind: "text" }>; shape: Shape };

export function TextField({ id, pointer, name, schema, root, draft, shape, wrong, onChange }: Props) {
  const format = shape.kind === "string" ? shape.format : "";
  const hint = shape.kind === "json" ? "Any JSON." : HINTS[format];
  const example = resolve(schema, root).examples?.[0];
  const common = {
    id,
    className: "input",
    value: draft.text,
    "aria-invalid": wrong[pointer] !== undefined,
    "aria-describedby": hint ? `${id}-note` : undefined,
    autoComplete: "off",
    spellCheck: false,
    placeholder: example === undefined ? undefined : String(example),
    onChange: (event: { target: { value: string } }) => onChange({ kind: "text", text: event.target.value }),
  };
  const secret = isSecretName(name) || format === "password";
  const long = !secret && (draft.text.length > LONG || draft.text.includes("\n"));
  const dated = DATE_FORMS[format]?.test(draft.text) ?? true;
  const type = secret ? "password" : dated ? (INPUT_TYPES[format] ?? "text") : "text";
  return (
    <>
      {shape.kind === "number" ? (
        <input {...common} inputMode={shape.whole ? "numeric" : "decimal"} />
      ) : shape.kind === "json" || long ? (
        <textarea {...common} />
      ) : (
        <input
          {...common}
          {...(secret ? { autoComplete: "new-password" } : {})}
          type={type}
          step={dated ? 1 : undefined}
        />
      )}
      {hint && (
        <span className="note" id={`${id}-note`}>
          {hint}
        </span>
      )}
    </>
  );
}
