// Forth and back through pages that only know the next one: those seen are remembered.

import { useRef } from "react";
import { plural } from "../../lib/format";
import { Button } from "../../ui/Button";

interface Props {
  cursor: string;
  next: string | null;
  shown: number;
  onTurn: (cursor: string) => void;
  /** Told when a page will perhaps be asked for. */
  onNear: (cursor: string) => void;
}

export function Pager({ cursor, next, shown, onTurn, onNear }: Props) {
  /** The cursor of a page → that of the page before it. */
  const before = useRef(new Map<string, string>());
  if (!cursor && next === null)
    return shown > 0 ? <p className="pager faint small">{plural(shown, "job")}</p> : null;
  return (
    <div className="pager">
      <span className="faint small">{plural(shown, "job")} on this page</span>
      <span className="row push">
        <Button size="small" disabled={!cursor} onClick={() => onTurn("")}>
          First
        </Button>
        <Button
          size="small"
          icon="left"
          disabled={!before.current.has(cursor)}
          onClick={() => onTurn(before.current.get(cursor) ?? "")}
        >
          Back
        </Button>
        <Button
          size="small"
          disabled={next === null}
          onPointerEnter={() => next !== null && onNear(next)}
          onFocus={() => next !== null && onNear(next)}
          onClick={() => {
            if (next === null) return;
            before.current.set(next, cursor);
            onTurn(next);
          }}
        >
          Next page
        </Button>
      </span>
    </div>
  );
}
