"""How fast is enqueue in bulk: one client, the batch call, 1,000 jobs a call?"""

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.server import Server
from benchmarks.bench.subject import Subject


def measure(subject: Subject, options: Options) -> Measures:
    """The batch call, or 100 concurrent calls at a time where the subject has none."""
    jobs = options.jobs
    with Server(options.program) as server:
        subject.produce("bulk", server.url, jobs + 100, count=100)
        before = server.usage()
        made = subject.produce("bulk", server.url, jobs + 100, start=100)
        after = server.usage()
    return {
        "per_s": jobs / made["seconds"],
        "server_us": (after["cpu"] - before["cpu"]) * 1e6 / jobs,
        "client_us": made["client_us"],
        "reads": (after["reads"] - before["reads"]) / jobs,
        "commands": (after["commands"] - before["commands"]) / jobs,
    }


QUESTION = Question(
    name="enqueue_bulk",
    title="Enqueue in bulk, one client",
    measure=measure,
    columns={
        "per_s": "jobs/s",
        "server_us": "server µs/job",
        "client_us": "client µs/job",
        "reads": "reads/job",
        "commands": "commands/job",
    },
)

if __name__ == "__main__":
    main([QUESTION])
