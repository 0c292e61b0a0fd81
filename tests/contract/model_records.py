"""The records of the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ModelRun:
    """A job's newest claim."""

    token: int
    attempt: int
    delivery: int
    lost: int
    started: int
    worker: str

    @property
    def counts(self) -> str:
        return f"{self.attempt} {self.delivery} {self.lost}"

    def pack(self) -> bytes:
        return f"{self.token} {self.counts} {self.started} {self.worker}".encode()


@dataclass
class Rule:
    """A retention rule."""

    ms: int
    count: int
    dead_ms: int
    dead_count: int
    tomb_ms: int

    def pack(self) -> str:
        return f"{self.ms} {self.count} {self.dead_ms} {self.dead_count} {self.tomb_ms}"
