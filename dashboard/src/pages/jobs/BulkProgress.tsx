import { count, plural } from "../../lib/format";
import type { Progress } from "./bulk";

export function ProgressBar({ done, of }: { done: number; of: number }) {
  const share = of > 0 ? Math.min(1, done / of) : 0;
  return (
    <div className="stack">
      <div
        className="bar"
        role="progressbar"
        aria-label="Progress"
        aria-valuenow={done}
        aria-valuemin={0}
        aria-valuemax={of}
      >
        <i style={{ width: `${share * 100}%` }} />
      </div>
      <p className="muted">
        {count(done)} of {count(of)}
      </p>
    </div>
  );
}

export function Done({ progress }: { progress: Progress }) {
  return (
    <div className="stack" role="status">
      <p>
        Done: {plural(progress.done, "job")}
        {progress.refused > 0 && `; ${count(progress.refused)} could not be moved`}
      </p>
      {progress.why.length > 0 && (
        <ul className="muted small">
          {progress.why.map((reason) => (
            <li key={reason} className="data">
              {reason}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
