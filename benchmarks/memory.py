"""How much memory of the server does a queued job take, payload included?"""

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.server import Server
from benchmarks.bench.subject import Subject


def measure(subject: Subject, options: Options) -> Measures:
    """Growth of used_memory between 100 jobs and all; no client is connected at either look."""
    jobs = options.jobs
    with Server(options.program) as server:
        subject.produce("bulk", server.url, jobs + 100, count=100)
        before = server.memory()
        subject.produce("bulk", server.url, jobs + 100, start=100)
        return {"bytes_per_job": (server.memory() - before) / jobs, "jobs": jobs}


QUESTION = Question(
    name="memory",
    title="Server memory per queued job",
    measure=measure,
    columns={"bytes_per_job": "bytes/job", "jobs": "jobs"},
)

if __name__ == "__main__":
    main([QUESTION])
