import type { Handler } from "../../api/handlers";
import type { Wrong } from "../../lib/schema/read";
import { Segments } from "../../ui/Segments";
import { WrongAt } from "./fields/WrongAt";
import type { Options } from "./options";

interface Props {
  options: Options;
  handler: Handler | undefined;
  queues: string[];
  wrong: Wrong;
  onChange: (options: Options) => void;
}

const WHENS = [
  ["now", "Now"],
  ["delay", "In a while"],
  ["date", "At a date"],
] as const;
const NAMES: Record<number, string> = { 1: " (low)", 5: " (normal)", 9: " (high)" };

export function OptionFields({ options, handler, queues, wrong, onChange }: Props) {
  const set = (name: keyof Options) => (event: { target: { value: string } }) =>
    onChange({ ...options, [name]: event.target.value });
  const usual = handler ? ` (${handler.priority})` : "";
  return (
    <section className="card" aria-label="Options">
      <div className="card-head">
        <h2>Options</h2>
      </div>
      <div className="card-body option-grid">
        <label className="field">
          <span className="label">Priority</span>
          <select className="input" value={options.priority} onChange={set("priority")}>
            <option value="">{`As the handler says${usual}`}</option>
            {[9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => (
              <option key={n} value={n}>{`${n}${NAMES[n] ?? ""}`}</option>
            ))}
          </select>
        </label>
        <label className="field">
          <span className="label">Queue</span>
          <input
            className="input"
            list="known-queues"
            placeholder={handler?.queue ?? "default"}
            value={options.queue}
            onChange={set("queue")}
          />
          <datalist id="known-queues">
            {queues.map((queue) => (
              <option key={queue} value={queue} />
            ))}
          </datalist>
        </label>
        <fieldset className="plain field">
          <legend>When</legend>
          <Segments
            label="When"
            value={options.when}
            choices={WHENS}
            onPick={(when) => onChange({ ...options, when })}
          />
          {options.when === "delay" && (
            <label className="row">
              <input
                className="input short"
                inputMode="decimal"
                value={options.delay}
                onChange={set("delay")}
              />
              seconds from now
            </label>
          )}
          {options.when === "date" && (
            <input
              className="input"
              type="datetime-local"
              step={1}
              aria-label="Date and time, in your own time zone"
              value={options.date}
              onChange={set("date")}
            />
          )}
          <WrongAt wrong={wrong["options/delay"] ?? wrong["options/date"]} />
        </fieldset>
        <label className="field">
          <span className="label">Attempts at most</span>
          <input
            className="input"
            inputMode="numeric"
            placeholder={handler?.max_attempts ? String(handler.max_attempts) : "as the handler says"}
            value={options.maxAttempts}
            onChange={set("maxAttempts")}
          />
          <WrongAt wrong={wrong["options/maxAttempts"]} />
        </label>
        <label className="field">
          <span className="label">Timeout, seconds</span>
          <input
            className="input"
            inputMode="decimal"
            placeholder={handler?.timeout_s ? String(handler.timeout_s) : "as the handler says"}
            value={options.timeout}
            onChange={set("timeout")}
          />
          <WrongAt wrong={wrong["options/timeout"]} />
        </label>
        <label className="field">
          <span className="label">Unique key</span>
          <input className="input" placeholder="none" value={options.unique} onChange={set("unique")} />
        </label>
        <label className="field">
          <span className="label">Tags</span>
          <input
            className="input"
            placeholder="none; with commas between"
            value={options.tags}
            onChange={set("tags")}
          />
        </label>
      </div>
    </section>
  );
}
