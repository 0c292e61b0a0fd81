"""Several writer processes over one log, and what there is to know about them."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from tests.pogocache import writer
from tests.support.waiting import until_sync

#: Forks writers from a process that has everything imported: a new interpreter takes half a second.
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.pogocache.writer"])


class Crew:
    """Writer processes. Nothing of it is left running at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[str, ForkServerProcess] = {}
        self._read: dict[str, int] = {}
        self._acked: dict[str, int] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.join(10)
            process.close()

    def hire(self, *names: str, url: str, lanes: int = 4) -> None:
        """Start writers."""
        for name in names:
            process = self._processes[name] = _forks.Process(target=writer.run, args=(url, self.folder, name, lanes))
            process.start()

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
            code = self._processes[name].exitcode
            assert code is None, f"{name} ended with {code}: {self.last_words(name)} {self.output(name)}"

    def living(self) -> list[str]:
        """Those that run."""
        return [name for name, process in self._processes.items() if process.exitcode is None]

    def send(self, name: str, how: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._processes[name].pid or 0, how)

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
            assert self._ended(name, within_s) == 0, f"{name}: {self.last_words(name)} {self.output(name)}"
        seen = {(words["count"], words["sha"]) for words in map(self.last_words, names)}
        assert len(seen) == 1, f"the writers' replicas differ: {[self.last_words(name) for name in names]}"

    def wait_for_end(self, name: str, within_s: float) -> dict[str, Any]:
        """Wait until a writer ends by itself; its last words."""
        assert self._ended(name, within_s) is not None, f"{name} runs after {within_s:g} s: {self.last_words(name)}"
        return self.last_words(name)

    def _ended(self, name: str, within_s: float) -> int | None:
        self._processes[name].join(within_s)
        return self._processes[name].exitcode

    def last_words(self, name: str) -> dict[str, Any]:
        """The last line of a writer's diary."""
        path = self.folder / f"{name}.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return dict(json.loads(lines[-1])) if lines else {}

    def output(self, name: str) -> str:
        """What it printed: tracebacks."""
        return (self.folder / f"{name}.out").read_text()[-3000:]
