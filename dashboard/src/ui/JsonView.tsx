// JSON as a tree: big numbers exact, secrets hidden, long lists a part at a time.

import { useState } from "react";
import { isExactNumber, toText } from "../lib/exact";
import { hasSecrets, redact } from "../lib/redact";
import { Button } from "./Button";
import { Copy } from "./bits";

const OPEN_DEPTH = 2;
const OPEN_SIZE = 30;
const SHOWN_AT_ONCE = 100;
const LONG = 2000;

interface Props {
  title: string;
  value: unknown;
  /** Said in place of nothing. */
  none?: string;
}

export function JsonView({ title, value, none }: Props) {
  const [revealed, setRevealed] = useState(false);
  const secret = hasSecrets(value);
  const shown = secret && !revealed ? redact(value) : value;
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <h2>{title}</h2>
        {secret && (
          <Button size="small" look="quiet" icon="eye" onClick={() => setRevealed(!revealed)}>
            {revealed ? "Hide secrets" : "Show hidden values"}
          </Button>
        )}
        <span className="push">
          <Copy text={toText(shown, 2)} label={`Copy the ${title.toLowerCase()}`} size="small" />
        </span>
      </div>
      <div className="card-body json">
        {none && value === undefined ? <p className="faint">{none}</p> : <Node value={shown} depth={0} />}
      </div>
    </section>
  );
}

function Node({ value, depth }: { value: unknown; depth: number }) {
  if (Array.isArray(value))
    return <Group entries={value.map((v, i) => [i, v])} open="[" close="]" depth={depth} />;
  if (typeof value === "object" && value !== null && !isExactNumber(value)) {
    return <Group entries={Object.entries(value)} open="{" close="}" depth={depth} />;
  }
  return <Leaf value={value} />;
}

interface GroupProps {
  entries: [string | number, unknown][];
  open: string;
  close: string;
  depth: number;
}

function Group({ entries, open, close, depth }: GroupProps) {
  const [isOpen, setOpen] = useState(depth < OPEN_DEPTH || entries.length <= 3);
  const [shown, setShown] = useState(depth === 0 ? SHOWN_AT_ONCE : OPEN_SIZE);
  if (entries.length === 0) return <span className="faint">{open + close}</span>;
  return (
    <span>
      <button type="button" className="json-fold" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {open}
        {!isOpen && <span className="faint">{` ${entries.length} ${close}`}</span>}
      </button>
      {isOpen && (
        <>
          <ul className="json-group">
            {entries.slice(0, shown).map(([key, member]) => (
              <li key={key}>
                {typeof key === "string" && <span className="json-key">{`${key}: `}</span>}
                <Node value={member} depth={depth + 1} />
              </li>
            ))}
            {entries.length > shown && (
              <li>
                <Button size="small" look="quiet" onClick={() => setShown(shown + SHOWN_AT_ONCE)}>
                  {`${entries.length - shown} more`}
                </Button>
              </li>
            )}
          </ul>
          {close}
        </>
      )}
    </span>
  );
}

function Leaf({ value }: { value: unknown }) {
  const [whole, setWhole] = useState(false);
  if (typeof value !== "string")
    return <span className="json-plain">{value === undefined ? "null" : toText(value)}</span>;
  const long = value.length > LONG && !whole;
  return (
    <span className="json-text">
      {JSON.stringify(long ? value.slice(0, LONG) : value)}
      {long && (
        <Button size="small" look="quiet" onClick={() => setWhole(true)}>
          {`all ${value.length} characters`}
        </Button>
      )}
    </span>
  );
}
