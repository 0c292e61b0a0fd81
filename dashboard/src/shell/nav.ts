// The navigation, as data. A new area is one line in the group that it belongs to.

import type { Scope } from "../api/access";
import type { IconName } from "../ui/Icon";

export interface Place {
  path: string;
  name: string;
  icon: IconName;
  /** The second key of `g …`. */
  key: string;
  /** What a token needs to see it. */
  scope?: Scope;
}

/** Groups are set apart by a line: what happens · what makes it happen · who may. */
export const NAV: Place[][] = [
  [
    { path: "/", name: "Overview", icon: "overview", key: "o" },
    { path: "/jobs", name: "Jobs", icon: "jobs", key: "j" },
    { path: "/dead", name: "Dead", icon: "dead", key: "d" },
    { path: "/queues", name: "Queues", icon: "queues", key: "q" },
    { path: "/workers", name: "Workers", icon: "workers", key: "w" },
  ],
  // Schedules, flows and limits belong here.
  [],
  [{ path: "/audit", name: "Audit", icon: "list", key: "a", scope: "admin" }],
];
