import type { Handler } from "../../api/handlers";
import type { Wrong } from "../../lib/schema/read";
import { Segments } from "../../ui/Segments";
import { Field } from "./fields/Field";
import { WrongAt } from "./fields/WrongAt";
import { type Change, type FormState, hasForm, switchMode } from "./useNewJob";

const MODES = [
  ["form", "Form"],
  ["json", "JSON"],
] as const;

interface Props {
  state: FormState;
  handler: Handler | undefined;
  wrong: Wrong;
  onChange: (change: Change) => void;
}

export function PayloadCard({ state, handler, wrong, onChange }: Props) {
  const typed = hasForm(handler);
  const names = typed ? Object.keys(handler.schema.properties ?? {}) : [];
  return (
    <section className="card" aria-label="Payload">
      <div className="card-head">
        <h2>Payload</h2>
        {typed && (
          <span className="push">
            <Segments
              label="How to write the payload"
              value={state.mode}
              choices={MODES}
              onPick={(mode) => state.mode !== mode && onChange((now) => switchMode(now, handler))}
            />
          </span>
        )}
      </div>
      <div className="card-body stack">
        {state.mode === "form" && typed ? (
          <>
            {names.length === 0 && <p className="muted">This handler takes no arguments.</p>}
            <Field
              id="payload"
              pointer=""
              name=""
              schema={handler.schema}
              root={handler.schema}
              draft={state.draft}
              wrong={wrong}
              onChange={(draft) => onChange({ draft })}
            />
          </>
        ) : (
          <label className="field">
            <span className="label">JSON: an object becomes keyword arguments, anything else the first</span>
            <textarea
              className="input tall"
              spellCheck={false}
              aria-invalid={wrong[""] !== undefined}
              value={state.text}
              onChange={(event) => onChange({ text: event.target.value })}
            />
          </label>
        )}
        <WrongAt wrong={wrong[""]} />
      </div>
    </section>
  );
}
