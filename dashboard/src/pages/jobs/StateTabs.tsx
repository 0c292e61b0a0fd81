// The states with how many jobs are in each.

import { useQuery } from "@tanstack/react-query";
import { STATES } from "../../api/jobs";
import { keys } from "../../api/keys";
import { getCounts } from "../../api/overview";
import { short } from "../../lib/format";

interface Props {
  queue: string;
  state: string;
  onPick: (state: string) => void;
}

export function StateTabs({ queue, state, onPick }: Props) {
  const { data } = useQuery({
    queryKey: keys.counts(queue),
    queryFn: ({ signal }) => getCounts(queue, signal),
  });
  const counts = data?.counts;
  const all = counts && STATES.reduce((sum, each) => sum + (counts[each] ?? 0), 0);
  return (
    <div className="tabs" role="group" aria-label="State">
      <Tab name="all" n={all} chosen={state === ""} onPick={() => onPick("")} />
      {STATES.map((each) => (
        <Tab key={each} name={each} n={counts?.[each]} chosen={state === each} onPick={() => onPick(each)} />
      ))}
    </div>
  );
}

function Tab({
  name,
  n,
  chosen,
  onPick,
}: {
  name: string;
  n: number | undefined;
  chosen: boolean;
  onPick: () => void;
}) {
  return (
    <button type="button" className="tab" aria-pressed={chosen} onClick={onPick}>
      {name}
      <span className="badge">{n === undefined ? "…" : short(n)}</span>
    </button>
  );
}
