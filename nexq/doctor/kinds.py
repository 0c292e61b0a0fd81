"""Every kind of finding: its code, how bad it is, what it means and what to do."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Kind(NamedTuple):
    """What is said of one kind of finding."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    advice: str


_FOREIGN = "Something other than nexq wrote to these keys, or data was restored in part. "
_DEFECT = "Stop the writers, look at the named jobs, and report it if nothing else wrote to these keys. "

KINDS = {
    "two_sets": Kind(
        "I1",
        "error",
        "Jobs stand in more than one state set.",
        _FOREIGN + "Keep the set that is right and ZREM the id from the others.",
    ),
    "no_spec": Kind(
        "I1",
        "error",
        "Ids stand in a state set, but `jobs` has no spec for them: nothing can be run.",
        _FOREIGN + "Restore the specs from a backup, or ZREM the ids from their sets.",
    ),
    "nowhere": Kind(
        "I1",
        "error",
        "Jobs have a spec but stand in no state set: they will never run.",
        _FOREIGN + "Enqueue them anew under another id, then `nexq jobs rm` the old ones.",
    ),
    "unbalanced": Kind(
        "I1",
        "error",
        "The number of specs is not the sum of the state sets.",
        _DEFECT,
    ),
    "not_conserved": Kind(
        "I2",
        "error",
        "Jobs came or went without being counted: enqueued minus deleted is not the number of jobs.",
        _FOREIGN + "If the difference is explained, set `enqueued_total` right with HINCRBY.",
    ),
    "no_run": Kind(
        "I3",
        "error",
        "Running jobs have no record of who runs them under which token: their outcomes will be refused.",
        _FOREIGN + "They come back when their lease runs out.",
    ),
    "bad_lease": Kind(
        "I3",
        "error",
        "Running jobs have a lease deadline that is not a time.",
        _FOREIGN + "ZADD the id to `running` with a deadline in ms.",
    ),
    "token_ahead": Kind(
        "I3",
        "error",
        "Jobs carry a fencing token that the queue has not issued yet: the same token will be issued again.",
        "Set the field `token` of the queue's hash to the largest token in use, or more.",
    ),
    "token_twice": Kind(
        "I3",
        "error",
        "Two running jobs carry the same fencing token.",
        _DEFECT,
    ),
    "too_many_attempts": Kind(
        "I4",
        "error",
        "Jobs have been tried more often than their max_attempts allows.",
        _DEFECT,
    ),
    "bad_counts": Kind(
        "I4",
        "error",
        "Jobs have counters that cannot be: negative, or fewer deliveries than attempts or lost workers.",
        _DEFECT,
    ),
    "bad_totals": Kind(
        "I4",
        "error",
        "The queue's own record has a counter that is negative or not a number.",
        _FOREIGN + "Correct the field with HSET.",
    ),
    "two_leases": Kind(
        "I5",
        "error",
        "Jobs are running and ready at once: a second lease can be given while the first one lives.",
        _FOREIGN + "ZREM the id from its ready set.",
    ),
    "no_due": Kind(
        "I7",
        "error",
        "Jobs that are due later have no time at which they are due.",
        "ZADD the id with its due time in ms, or `nexq jobs rm` it.",
    ),
    "ready_early": Kind(
        "I7",
        "error",
        "Jobs are ready although their time lies ahead of the queue's clock.",
        _FOREIGN + "If they were meant for later, ZREM them from the ready set and ZADD them to `scheduled`.",
    ),
    "left_behind": Kind(
        "I7",
        "warning",
        "Jobs that are due have been left where they are for more than a minute.",
        "No worker serves this queue, or too few: start one.",
    ),
    "lease_left": Kind(
        "I7",
        "warning",
        "Leases ran out more than a minute ago and nobody took the jobs back.",
        "No worker serves this queue, or too few: start one.",
    ),
    "unique_lost": Kind(
        "I8",
        "error",
        "Live jobs do not hold their unique key: a second job with the same key can be enqueued.",
        _FOREIGN + "HSET the key in `unique` to the id.",
    ),
    "unique_stale": Kind(
        "I8",
        "error",
        "Unique keys are held by jobs that have ended, are gone or have another key.",
        _FOREIGN + "HDEL the keys from `unique`.",
    ),
    "no_reason": Kind(
        "I12",
        "error",
        "Dead jobs have no line of history that says why they died.",
        _FOREIGN + "Revive or delete them.",
    ),
    "no_token": Kind(
        "I12",
        "error",
        "Completed jobs have no record of the claim under which they completed.",
        _FOREIGN + "Whether they ran cannot be known.",
    ),
    "ttl": Kind(
        "I13",
        "error",
        "Keys that hold jobs have a time to live: the server will drop them.",
        "PERSIST them at once, and find out who set it.",
    ),
    "foreign_key": Kind(
        "I14",
        "error",
        "Keys in the namespace are not nexq's.",
        "Give the other program another prefix, or nexq another namespace.",
    ),
    "tags": Kind(
        "I14",
        "error",
        "Keys in the namespace do not have exactly one hash tag.",
        "Give the other program another prefix, or nexq another namespace.",
    ),
    "wrong_type": Kind(
        "I14",
        "error",
        "Keys are of another type than nexq's: scripts fail on them.",
        _FOREIGN + "Move them away (RENAME) and restore the right ones.",
    ),
    "bad_spec": Kind(
        "record",
        "error",
        "Jobs have a spec that cannot be read.",
        _FOREIGN + "`nexq jobs rm` them.",
    ),
    "bad_run": Kind(
        "record",
        "error",
        "Jobs have a run record that cannot be read.",
        _FOREIGN + "HDEL the field from `runs` of jobs that are not running.",
    ),
    "bad_history": Kind(
        "record",
        "error",
        "Jobs have a history that cannot be read.",
        _FOREIGN + "HDEL the field from `history`.",
    ),
    "unreadable": Kind(
        "record",
        "error",
        "The queue could not be examined.",
        "Look at the findings about its keys first.",
    ),
    "orphan_run": Kind("orphan", "warning", "Run records belong to no job.", "HDEL the fields from `runs`."),
    "orphan_result": Kind("orphan", "warning", "Results belong to no job.", "HDEL the fields from `results`."),
    "orphan_history": Kind("orphan", "warning", "Histories belong to no job.", "HDEL the fields from `history`."),
    "orphan_cancel": Kind(
        "orphan",
        "warning",
        "Jobs that are not running have a leftover request to cancel: their next run would be stopped.",
        "HDEL the fields from `cancels`.",
    ),
    "orphan_waiter": Kind("orphan", "warning", "Waiters wait for no job.", "HDEL the fields from `waiters`."),
    "orphan_journal": Kind("orphan", "warning", "Reports belong to no job.", "HDEL the fields from `journal`."),
    "orphan_hook": Kind("orphan", "warning", "Webhooks belong to no job.", "HDEL the fields from `hooks`."),
    "log_broken": Kind("log", "error", "The log cannot be used.", "Do as the message says."),
    "log_entry": Kind(
        "log",
        "error",
        "An entry of the log is not what it should be: processes that start now cannot read on.",
        "Keep those that run; restart the server, and they bring the log back.",
    ),
    "log_snapshot": Kind(
        "log",
        "error",
        "A snapshot of the log is not whole: processes that start now cannot begin.",
        "Keep those that run; restart the server, and they bring the log back.",
    ),
    "log_diverged": Kind(
        "log",
        "error",
        "The same entries made two different states.",
        "A defect of nexq, or of a machine's memory: report it; start the process that differs anew.",
    ),
    "log_foreign": Kind(
        "log",
        "warning",
        "Keys on the server are not this log's: nexq wants a server of its own.",
        "Other logs, other programs, or what a crash left behind. Give other programs another server.",
    ),
    "log_budget": Kind(
        "log",
        "warning",
        "The server holds more than the budget: no new jobs are taken.",
        "Raise ?budget_mb= if the machine has the memory, or keep fewer ended jobs.",
    ),
    "unsafe_server": Kind("server", "error", "The server's settings would lose jobs.", "Do as the message says."),
    "server": Kind("server", "warning", "The server's settings can lose jobs.", "Do as the message says."),
}
