"""A subject is the floor, nexq or a peer: an adapter run in its own virtualenv, spoken to by JSON."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.peers.install import VENVS, is_installed

ROOT = Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")
OURS = ("floor", "nexq")
"""These run in the interpreter that runs the benchmarks."""


class SubjectError(Exception):
    """An adapter failed; the text says how."""


def process_seconds(pid: int) -> float:
    """Processor seconds of a living process, to the ns; 0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the clock of clock_getcpuclockid(3)
    except OSError:
        return 0.0


class WorkerProcess:
    """A running worker and all its children (they share its session)."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.spawned = time.time()
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdout=self.log,
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def session(self) -> Iterator[tuple[int, list[str]]]:
        """Its living processes: pid and the fields of /proc/PID/stat from the third on."""
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self.process.pid:
                        yield int(entry.name), fields

    def cpu(self) -> float:
        """Processor seconds of the session so far: as /proc/PID/stat has it, but each process's own part to the ns."""
        total = process_seconds(self.process.pid)  # first: looking through /proc takes a while
        for pid, fields in self.session():
            total += (int(fields[13]) + int(fields[14])) / TICK
            if pid != self.process.pid:
                total += process_seconds(pid)
        return total

    def peak_mib(self) -> float:
        """Largest resident size of its largest process, MiB."""
        peak = 0.0
        for pid, _ in self.session():
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        peak = max(peak, int(line.split()[1]) / 1024)
        return peak

    def output(self) -> str:
        """The last lines it wrote."""
        self.log.seek(0)
        return "\n".join(self.log.read().decode(errors="replace").splitlines()[-12:])

    def check(self) -> None:
        """Raise when it has ended."""
        if self.process.poll() is not None:
            raise SubjectError(f"worker ended with {self.process.returncode}:\n{self.output()}")

    def stop(self) -> None:
        """End it: a polite signal, then the whole session."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.log.close()


class Subject:
    """One column of the comparison: ``name`` or ``name:variant``."""

    def __init__(self, spec: str) -> None:
        self.spec = spec
        self.name, _, self.variant = spec.partition(":")
        self.home = VENVS / self.name
        script = ROOT / "benchmarks" / "peers" / f"{self.name}.mjs"
        if script.exists():
            self.command = [shutil.which("node") or "node", str(script)]
        else:
            python = sys.executable if self.name in OURS else str(self.home / "bin" / "python")
            self.command = [python, "-m", "benchmarks.peers", self.name]
        self._described: dict[str, Any] | None = None

    @property
    def is_there(self) -> bool:
        """Whether it can run here."""
        return self.name in OURS or is_installed(self.name)

    @property
    def about(self) -> dict[str, Any]:
        """What the adapter says of itself."""
        if self._described is None:
            self._described = self._call(["describe"], self._env("redis://127.0.0.1:1/0", 1), 60)
        return self._described

    def jobs(self, wanted: int) -> int:
        """How many jobs to drain: a slow peer names a lower number, the floor a factor."""
        return min(wanted * int(self.about.get("factor", 1)), int(self.about.get("jobs", wanted * 10)))

    def _env(self, url: str, jobs: int) -> dict[str, str]:
        env = {
            key: value for key, value in os.environ.items() if not key.startswith(("BENCH_", "NEXQ_", "VIRTUAL_ENV"))
        }
        env |= {"PYTHONPATH": str(ROOT), "BENCH_URL": url, "BENCH_JOBS": str(jobs), "BENCH_VARIANT": self.variant}
        return env | {"BENCH_HOME": str(self.home), "NEXQ_URL": url}

    def _call(self, args: list[str], env: dict[str, str], timeout: float) -> dict[str, Any]:
        command = self.command + args
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False)
        lines = done.stdout.strip().splitlines()
        if done.returncode != 0 or not lines:
            raise SubjectError(f"{self.spec} {args[0]} ended with {done.returncode}:\n{done.stderr[-1500:]}")
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer

    def produce(
        self, role: str, url: str, jobs: int, count: int | None = None, start: int = 0, sent: Path | None = None
    ) -> dict[str, Any]:
        """Enqueue in a process of its own, and wait for it. ``jobs`` is the size of the journals."""
        args = [role, "--start", str(start), "--count", str(jobs - start if count is None else count)]
        return self._call(args + (["--sent", str(sent)] if sent else []), self._env(url, jobs), 600)

    def start_worker(self, url: str, jobs: int, journal: Path, key: str = "worker") -> WorkerProcess:
        """Start a worker that marks the journal."""
        command = [part.replace("{url}", url) for part in self.about[key]]
        return WorkerProcess(command, self._env(url, jobs) | {"BENCH_JOURNAL": str(journal)})
