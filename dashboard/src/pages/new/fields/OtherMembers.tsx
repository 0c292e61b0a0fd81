// Members whose names one chooses oneself, where the schema allows them.

import { type Draft, emptyDraft } from "../../../lib/schema/draft";
import { escapePointer } from "../../../lib/schema/read";
import type { Schema } from "../../../lib/schema/schema";
import { Button } from "../../../ui/Button";
import { Field } from "./Field";
import type { FieldProps } from "./types";
import { WrongAt } from "./WrongAt";

type Props = FieldProps & { draft: Extract<Draft, { kind: "object" }>; others: Schema };

export function OtherMembers(props: Props) {
  const { id, pointer, root, draft, others, wrong, onChange } = props;
  const replace = (i: number, ...entry: [string, Draft][]) =>
    onChange({ ...draft, others: draft.others.toSpliced(i, 1, ...entry) });
  return (
    <div className="form-members">
      {draft.others.map(([name, value], i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a name may be empty or there twice while it is typed
        <div className="other" key={i}>
          <input
            className="input"
            aria-label="Name"
            placeholder="name"
            value={name}
            onChange={(event) => replace(i, [event.target.value, value])}
          />
          <div className="variant-value">
            <label className="unseen" htmlFor={`${id}-other-${i}`}>
              {`Value of ${name}`}
            </label>
            <Field
              {...props}
              id={`${id}-other-${i}`}
              pointer={`${pointer}/${escapePointer(name)}`}
              name={name}
              schema={others}
              draft={value}
              onChange={(next) => replace(i, [name, next])}
            />
            <WrongAt wrong={wrong[`${pointer}/#${i}`] ?? wrong[`${pointer}/${escapePointer(name)}`]} />
          </div>
          <Button
            size="small"
            look="quiet"
            icon="close"
            aria-label={`Leave out ${name}`}
            onClick={() => replace(i)}
          />
        </div>
      ))}
      <span>
        <Button
          size="small"
          icon="plus"
          onClick={() => onChange({ ...draft, others: [...draft.others, ["", emptyDraft(others, root)]] })}
        >
          Member of your own
        </Button>
      </span>
    </div>
  );
}
