"""How fast do one and two worker processes drain a full queue of no-op jobs, and what does a job cost?"""

import time

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.run import crew
from benchmarks.bench.server import Server
from benchmarks.bench.subject import Subject, SubjectError


def drain(subject: Subject, options: Options, processes: int) -> Measures:
    """Fill, start the workers, and time from the first handler's start until all is done and acknowledged.

    With two workers the clock starts when both run, and only the jobs from then on count.
    """
    jobs = subject.jobs(options.jobs)
    with Server(options.program) as server, crew(subject, server, jobs) as band:
        empty = server.memory()
        subject.produce("bulk", server.url, jobs)
        before = server.usage()
        for _ in range(processes):
            band.start()
        band.wait_started()
        band.wait_all()
        end = time.time()
        after, used = server.usage(), band.job_cpu()
        together = band.all_started()
        peak = max(worker.peak_mib() for worker in band.workers)
        time.sleep(0.2)
        kept = subject.about.get("completed")
        if kept and server.left(kept) != jobs:
            raise SubjectError(f"{server.left(kept)} of {jobs} jobs are kept as completed")
        return {
            "jobs": jobs,
            "per_s": band.ran_since(together) / (end - together),
            "worker_us": used * 1e6 / jobs,
            "server_us": (after["cpu"] - before["cpu"]) * 1e6 / jobs,
            "reads": (after["reads"] - before["reads"]) / jobs,
            "commands": (after["commands"] - before["commands"]) / jobs,
            "extra_runs": band.extra_runs(),
            "peak_mib": peak,
            "kept_bytes": (server.memory() - empty) / jobs,
        }


def measure(subject: Subject, options: Options) -> Measures:
    """Drain with one process, then with two."""
    one, two = drain(subject, options, 1), drain(subject, options, 2)
    return one | {f"two_{name}": value for name, value in two.items()}


QUESTION = Question(
    name="drain",
    title="Drain of no-op jobs, all queued beforehand, every job checked to be done and acknowledged",
    measure=measure,
    columns={
        "jobs": "jobs",
        "per_s": "1 process, jobs/s",
        "worker_us": "worker µs/job",
        "server_us": "server µs/job",
        "reads": "reads/job",
        "commands": "commands/job",
        "peak_mib": "peak MiB",
        "extra_runs": "runs beyond one per job",
        "two_per_s": "2 processes, jobs/s",
        "two_worker_us": "worker µs/job, 2",
        "two_server_us": "server µs/job, 2",
        "two_extra_runs": "runs beyond one, 2",
    },
)

if __name__ == "__main__":
    main([QUESTION])
