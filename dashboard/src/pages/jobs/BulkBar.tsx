// What can be done with the chosen jobs.

import { useState } from "react";
import type { BulkVerb, Chosen, Job, JobFilter } from "../../api/jobs";
import { movesFor } from "../../lib/filter";
import { plural } from "../../lib/format";
import { Button } from "../../ui/Button";
import type { IconName } from "../../ui/Icon";
import { BulkDialog, DEEDS } from "./BulkDialog";

const BUTTONS: [BulkVerb, IconName][] = [
  ["retry", "retry"],
  ["promote", "now"],
  ["reprioritize", "up"],
  ["cancel", "stop"],
  ["delete", "trash"],
];

interface Props {
  jobs: Job[];
  chosen: Set<string>;
  filter: JobFilter;
  /** Whether there are further pages. */
  more: boolean;
  onClear: () => void;
}

export function BulkBar({ jobs, chosen, filter, more, onClear }: Props) {
  const [matching, setMatching] = useState(false);
  const [verb, setVerb] = useState<BulkVerb | null>(null);
  const states = filter.state
    ? [filter.state]
    : jobs.filter((job) => chosen.has(job.id)).map((job) => job.state);
  const moves = movesFor(states);
  const wholePage = jobs.length > 0 && jobs.every((job) => chosen.has(job.id));
  const what: Chosen = matching ? filter : { ids: [...chosen] };
  return (
    <div className="bulk" role="toolbar" aria-label="Chosen jobs">
      <strong>{matching ? "All that match" : `${plural(chosen.size, "job")} chosen`}</strong>
      {wholePage && more && !matching && filter.state && (
        <Button size="small" look="quiet" onClick={() => setMatching(true)}>
          Choose all that match
        </Button>
      )}
      {wholePage && more && !filter.state && (
        <span className="faint small">Pick a state to choose all that match</span>
      )}
      <span className="row push">
        {BUTTONS.filter(([each]) => moves.has(each)).map(([each, icon]) => (
          <Button key={each} size="small" icon={icon} onClick={() => setVerb(each)}>
            {DEEDS[each]}
          </Button>
        ))}
        <Button size="small" look="quiet" icon="close" aria-label="Choose none" onClick={onClear} />
      </span>
      {verb && (
        <BulkDialog
          verb={verb}
          chosen={what}
          onClose={() => {
            setVerb(null);
            onClear();
          }}
        />
      )}
    </div>
  );
}
