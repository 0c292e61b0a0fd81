// One of several kinds of value, null among them perhaps.

import { type Draft, emptyDraft } from "../../../lib/schema/draft";
import { nameOf, type Shape } from "../../../lib/schema/schema";
import { Field } from "./Field";
import type { FieldProps } from "./types";

type Props = FieldProps & {
  draft: Extract<Draft, { kind: "variant" }>;
  shape: Extract<Shape, { kind: "variants" }>;
};

export function VariantField(props: Props) {
  const { root, draft, shape, onChange } = props;
  const variant = shape.variants[draft.at] ?? {};
  return (
    <div className="variant">
      <select
        className="input"
        data-size="small"
        aria-label={`Kind of ${props.name || "value"}`}
        value={draft.at}
        onChange={(event) => {
          const at = Number(event.target.value);
          onChange({ kind: "variant", at, value: emptyDraft(shape.variants[at] ?? {}, root) });
        }}
      >
        {shape.variants.map((each, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a variant is its place
          <option key={at} value={at}>
            {nameOf(each, root)}
          </option>
        ))}
      </select>
      <div className="variant-value">
        <Field
          {...props}
          schema={variant}
          draft={draft.value}
          onChange={(value) => onChange({ kind: "variant", at: draft.at, value })}
        />
      </div>
    </div>
  );
}
