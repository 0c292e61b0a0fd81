"""How long from the start of the worker command until its first job runs and is acknowledged?"""

import time

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.run import crew
from benchmarks.bench.server import Server
from benchmarks.bench.subject import Subject


def measure(subject: Subject, options: Options) -> Measures:
    """One job waits; the clock starts with the process."""
    with Server(options.program) as server, crew(subject, server, 1) as band:
        subject.produce("one", server.url, 1)
        worker = band.start()
        band.wait_started()
        first = band.all_started()
        band.wait_all()
        return {"run_s": first - worker.spawned, "done_s": time.time() - worker.spawned, "cpu_s": band.cpu()}


QUESTION = Question(
    name="startup",
    title="From the worker command to its first job, seconds",
    measure=measure,
    columns={"run_s": "job runs", "done_s": "job done", "cpu_s": "CPU until then"},
)

if __name__ == "__main__":
    main([QUESTION])
