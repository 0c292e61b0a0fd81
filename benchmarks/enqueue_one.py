"""How fast is enqueue, one job at a time: awaited one by one, and from 100 concurrent tasks?"""

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.server import Server
from benchmarks.bench.subject import Subject


def measure(subject: Subject, options: Options) -> Measures:
    """A fresh server for each of the two ways; the first 100 jobs are not counted."""
    measures: Measures = {}
    for role, jobs in (("one", options.jobs // 4), ("tasks", options.jobs)):
        with Server(options.program) as server:
            subject.produce("one", server.url, jobs + 100, count=100)
            before = server.usage()
            made = subject.produce(role, server.url, jobs + 100, start=100)
            after = server.usage()
        if "unsupported" not in made:
            measures |= {
                f"{role}_per_s": jobs / made["seconds"],
                f"{role}_server_us": (after["cpu"] - before["cpu"]) * 1e6 / jobs,
                f"{role}_client_us": made["client_us"],
                f"{role}_reads": (after["reads"] - before["reads"]) / jobs,
            }
    return measures


QUESTION = Question(
    name="enqueue_one",
    title="Enqueue: awaited one by one, and from 100 concurrent tasks",
    measure=measure,
    columns={
        "one_per_s": "one by one, jobs/s",
        "one_server_us": "server µs/job",
        "one_client_us": "client µs/job",
        "tasks_per_s": "100 tasks, jobs/s",
        "tasks_server_us": "server µs/job, 100 tasks",
        "tasks_client_us": "client µs/job, 100 tasks",
    },
)

if __name__ == "__main__":
    main([QUESTION])
