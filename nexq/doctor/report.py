"""What the doctor found, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from nexq.doctor.kinds import KINDS

Severity = Literal["error", "warning"]

#: How many ids a finding names.
SHOWN = 5


@dataclass(slots=True)
class Finding:
    """One kind of thing that is wrong, in one queue."""

    #: The invariant: I1 to I14; `record` (unreadable), `orphan` (belongs to no job), `server` (settings).
    code: str
    #: An error means that jobs are, or will be, lost, stuck or run twice.
    severity: Severity
    #: '' for what belongs to no queue.
    queue: str
    message: str
    advice: str
    #: How many jobs, keys or entries.
    count: int = 0
    #: The first few of them.
    ids: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON-able data."""
        return {
            "code": self.code,
            "severity": self.severity,
            "queue": self.queue,
            "count": self.count,
            "ids": self.ids,
            "message": self.message,
            "advice": self.advice,
        }


@dataclass(slots=True)
class Report:
    """The outcome of an examination."""

    findings: list[Finding] = field(default_factory=list)
    #: How many queues, jobs and keys were looked at.
    checked: dict[str, int] = field(default_factory=lambda: {"queues": 0, "jobs": 0, "keys": 0})
    #: What was not checked, and why.
    notes: list[str] = field(default_factory=list)
    _seen: dict[tuple[str, str], tuple[Finding, set[str]]] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings may stand."""
        return all(f.severity != "error" for f in self.findings)

    def add(self, kind: str, queue: str = "", id: str = "", detail: str = "", count: int = 1) -> None:
        """Note one more thing of a kind (kinds.py). The same id is counted once."""
        entry = self._seen.get((kind, queue))
        if entry is None:
            about = KINDS[kind]
            message = f"{about.message} {detail}".rstrip() if detail else about.message
            entry = (Finding(about.code, about.severity, queue, message, about.advice), set())
            self._seen[kind, queue] = entry
            self.findings.append(entry[0])
        finding, ids = entry
        if id and id in ids:
            return
        ids.add(id)
        finding.count += count
        if id and len(finding.ids) < SHOWN:
            finding.ids.append(id)

    def has(self, kind: str, queue: str) -> bool:
        """Whether something of this kind was found in this queue."""
        return (kind, queue) in self._seen

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        return {
            "ok": self.ok,
            "checked": self.checked,
            "findings": [f.as_dict() for f in self.findings],
            "notes": self.notes,
        }
