// A list, or a tuple: then the first items have kinds of their own.

import { type Draft, emptyDraft } from "../../../lib/schema/draft";
import type { Shape } from "../../../lib/schema/schema";
import { Button } from "../../../ui/Button";
import { Field } from "./Field";
import type { FieldProps } from "./types";
import { WrongAt } from "./WrongAt";

type Props = FieldProps & {
  draft: Extract<Draft, { kind: "array" }>;
  shape: Extract<Shape, { kind: "array" }>;
};

export function ArrayField(props: Props) {
  const { id, pointer, name, root, schema, draft, shape, wrong, onChange } = props;
  const { items } = draft;
  const fixed = shape.fixed.length;
  const full =
    (schema.maxItems !== undefined && items.length >= schema.maxItems) ||
    (fixed > 0 && items.length >= fixed);
  const replace = (i: number, ...item: Draft[]) =>
    onChange({ kind: "array", items: items.toSpliced(i, 1, ...item) });
  return (
    <div className="form-members nested">
      {items.map((item, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an item is its place
        <div className="other" key={i}>
          <span className="faint small item-number">{i + 1}</span>
          <div className="variant-value">
            <label className="unseen" htmlFor={`${id}-${i}`}>{`${name} ${i + 1}`}</label>
            <Field
              {...props}
              id={`${id}-${i}`}
              pointer={`${pointer}/${i}`}
              schema={shape.fixed[i] ?? shape.items}
              draft={item}
              onChange={(next) => replace(i, next)}
            />
            <WrongAt wrong={wrong[`${pointer}/${i}`]} />
          </div>
          {i >= fixed && (
            <Button
              size="small"
              look="quiet"
              icon="close"
              aria-label={`Remove item ${i + 1}`}
              onClick={() => replace(i)}
            />
          )}
        </div>
      ))}
      {!full && (
        <span>
          <Button
            size="small"
            icon="plus"
            onClick={() => onChange({ kind: "array", items: [...items, emptyDraft(shape.items, root)] })}
          >
            Add an item
          </Button>
        </span>
      )}
    </div>
  );
}
