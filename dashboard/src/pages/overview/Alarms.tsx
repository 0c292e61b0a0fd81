// What needs a person, and what is worth knowing. Nothing else is red.

import { Link } from "react-router";
import type { Alarm } from "../../api/overview";
import { Icon } from "../../ui/Icon";

/** Where one sees more of it. */
function placeOf(alarm: Alarm): string {
  const queue = alarm.queue ? `?queue=${encodeURIComponent(alarm.queue)}` : "";
  if (alarm.what === "dead") return `/dead${queue}`;
  if (alarm.what === "no_worker" || alarm.what === "lost_worker") return "/workers";
  if (alarm.what === "failing") return `/jobs${queue}${queue ? "&" : "?"}state=retrying`;
  return alarm.what === "paused" ? "/queues" : `/jobs${queue}${queue ? "&" : "?"}state=ready`;
}

export function Alarms({ alarms }: { alarms: Alarm[] }) {
  const sorted = [...alarms].sort((a, b) => Number(b.level === "red") - Number(a.level === "red"));
  return (
    <div className="alarms" role="region" aria-label="What needs a person">
      {sorted.map((alarm) => (
        <Link
          key={`${alarm.what} ${alarm.queue}`}
          className="notice"
          data-tone={alarm.level}
          to={placeOf(alarm)}
        >
          <Icon name={alarm.level === "red" ? "dead" : "eye"} />
          {alarm.queue && <strong className="data">{alarm.queue}</strong>}
          <span className="data">{alarm.text}</span>
        </Link>
      ))}
    </div>
  );
}
