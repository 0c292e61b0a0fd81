"""Run a worker on a queue and see its jobs done: the part that drain, pickup, lateness and start-up share."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench.server import Server
from benchmarks.bench.subject import Subject, SubjectError, WorkerProcess
from benchmarks.peers.base import Journal


class Crew:
    """The workers of one measure, each with its journal."""

    def __init__(self, subject: Subject, server: Server, jobs: int, folder: Path) -> None:
        self.subject = subject
        self.server = server
        self.jobs = jobs
        self.folder = folder
        self.workers: list[WorkerProcess] = []
        self.journals: list[Journal] = []
        self.startup_cpu: dict[int, float] = {}

    def start(self, key: str = "worker") -> WorkerProcess:
        """One more worker."""
        path = self.folder / f"journal-{len(self.workers)}"
        self.journals.append(Journal.create(path, self.jobs))
        worker = self.subject.start_worker(self.server.url, self.jobs, path, key)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """End all."""
        for worker in self.workers:
            worker.stop()

    def cpu(self) -> float:
        """Processor seconds of all."""
        return sum(worker.cpu() for worker in self.workers)

    def ran(self) -> int:
        """Marks so far: different jobs per worker."""
        return sum(self.jobs - journal.runs().count(0) for journal in self.journals)

    def extra_runs(self) -> int:
        """Runs beyond one per job."""
        return sum(sum(journal.runs()) for journal in self.journals) - self.jobs

    def wait(self, condition: Callable[[], bool], timeout: float, pause: float = 0.003) -> None:
        """Wait until the condition holds; raises when a worker dies or the time is out."""
        deadline = time.monotonic() + timeout
        turn = 0
        while not condition():
            turn += 1
            if turn % 100 == 0:
                for worker in self.workers:
                    worker.check()
                if time.monotonic() > deadline:
                    last = self.workers[-1].output() if self.workers else ""
                    raise SubjectError(f"{self.ran()} of {self.jobs} jobs ran within {timeout:.0f} s\n{last}")
            time.sleep(pause)

    def wait_started(self, timeout: float = 60) -> None:
        """Wait for the first mark."""
        self.wait(lambda: self.note_starts() > 0, timeout, 0.0005)

    def note_starts(self) -> int:
        """Keep the processor time of each worker whose first job has just run: its start-up. Says how many have."""
        for i, (worker, journal) in enumerate(zip(self.workers, self.journals, strict=True)):
            if i not in self.startup_cpu and journal.runs().count(0) < self.jobs:
                self.startup_cpu[i] = worker.cpu()
        return len(self.startup_cpu)

    def job_cpu(self) -> float:
        """Processor seconds without the start-up, of the workers that ran a job."""
        return sum(self.workers[i].cpu() - before for i, before in self.startup_cpu.items())

    def all_started(self) -> float:
        """When the last of the workers that ran anything ran its first job."""
        return max(min(stamp for stamp in self.journals[i].stamps if stamp) for i in self.startup_cpu)

    def ran_since(self, moment: float) -> int:
        """Jobs that started at that time or later."""
        return sum(stamp >= moment for journal in self.journals for stamp in journal.stamps)

    def wait_all(self, timeout: float = 600) -> None:
        """Wait until every job is marked and the server has none queued or unacknowledged."""
        self.wait(lambda: self.note_starts() > 0 and self.ran() >= self.jobs, timeout)
        self.wait(lambda: self.server.left(self.subject.about["left"]) == 0, 60, 0.001)


@contextmanager
def crew(subject: Subject, server: Server, jobs: int) -> Iterator[Crew]:
    """A crew that is stopped at the end, its journals removed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        band = Crew(subject, server, jobs, Path(folder))
        try:
            yield band
        finally:
            band.stop()
