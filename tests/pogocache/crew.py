"""Several writer processes over one log, and what there is to know about them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.pogocache import ROOT
from tests.support.waiting import until_sync


class Crew:
    """Writer processes. Nothing of it is left running at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._read: dict[str, int] = {}
        self._acked: dict[str, int] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)

    def hire(self, *names: str, url: str, lanes: int = 4, env: dict[str, str] | None = None) -> None:
        """Start writers."""
        for name in names:
            with (self.folder / f"{name}.out").open("wb") as out:
                self._processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "tests.pogocache.writer", url, str(self.folder), name, str(lanes)],
                    cwd=ROOT,
                    env=os.environ | (env or {}),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )

    def acked(self, name: str) -> int:
        """How many appends a writer was acknowledged so far."""
        path = self.folder / f"{name}.jsonl"
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(self._read.get(name, 0))
            whole, end, _ = file.read().rpartition(b"\n")
            self._read[name] = self._read.get(name, 0) + len(whole) + len(end)
            self._acked[name] = self._acked.get(name, 0) + whole.count(b'"phase": "ok"')
        return self._acked.get(name, 0)

    def wait_for_acks(self, more: int, within_s: float = 30.0, *names: str) -> None:
        """Wait until each of these writers (all that live) has been acknowledged so many more appends."""
        waiting = {name: self.acked(name) + more for name in names or self.living()}

        def done() -> bool:
            self.assert_none_failed(waiting)
            return all(self.acked(name) >= goal for name, goal in waiting.items())

        until_sync(done, within_s, what=f"{more} more appends of each of {sorted(waiting)}")

    def assert_none_failed(self, names: Any) -> None:
        """A writer that ended by itself tells why."""
        for name in names:
            code = self._processes[name].poll()
            assert code is None, f"{name} ended with {code}: {self.last_words(name)} {self.output(name)}"

    def living(self) -> list[str]:
        """Those that run."""
        return [name for name, process in self._processes.items() if process.poll() is None]

    def send(self, name: str, how: signal.Signals) -> None:
        """Send a signal."""
        self._processes[name].send_signal(how)

    def dismiss(self, within_s: float = 40.0) -> None:
        """Let every writer stop, then say how the list looks from where it is: all have to agree."""
        names = self.living()
        for name in names:
            self._processes[name].terminate()

        def all_stopped() -> bool:
            self.assert_none_failed(names)
            return all(self.last_words(name).get("phase") == "stopped" for name in names)

        until_sync(all_stopped, within_s, what="every writer to stop")
        (self.folder / "read").touch()
        for name in names:
            assert self._processes[name].wait(within_s) == 0, f"{name}: {self.last_words(name)} {self.output(name)}"
        seen = {(words["count"], words["sha"]) for words in map(self.last_words, names)}
        assert len(seen) == 1, f"the writers' replicas differ: {[self.last_words(name) for name in names]}"

    def wait_for_end(self, name: str, within_s: float) -> dict[str, Any]:
        """Wait until a writer ends by itself; its last words."""
        self._processes[name].wait(within_s)
        return self.last_words(name)

    def last_words(self, name: str) -> dict[str, Any]:
        """The last line of a writer's diary."""
        path = self.folder / f"{name}.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return dict(json.loads(lines[-1])) if lines else {}

    def output(self, name: str) -> str:
        """What it printed: tracebacks."""
        return (self.folder / f"{name}.out").read_text()[-3000:]
