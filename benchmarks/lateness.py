"""How late do delayed jobs start, after the time they are due; and does any start early?"""

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.run import crew
from benchmarks.bench.server import Server
from benchmarks.bench.stats import percentile
from benchmarks.bench.subject import Subject
from benchmarks.peers.base import Journal


def measure(subject: Subject, options: Options) -> Measures:
    """Jobs due at even chance 2 to 6 s ahead, an idle worker (and the peer's scheduler process, if it has one)."""
    jobs = options.pickups
    with Server(options.program) as server, crew(subject, server, jobs) as band:
        subject.produce("one", server.url, jobs, count=1)
        band.start()
        if "schedule" in subject.about:
            band.start("schedule")
        band.wait_started()
        sent = Journal.create(band.folder / "sent", jobs)
        subject.produce("delay", server.url, jobs, start=1, sent=band.folder / "sent")
        band.wait(lambda: band.ran() >= jobs, 60)
        late = [(band.journals[0].stamps[n] - sent.stamps[n]) * 1000 for n in range(1, jobs)]
    early = sum(value < 0 for value in late)
    return {"p50": percentile(late, 0.5), "p99": percentile(late, 0.99), "max": max(late), "early": early}


QUESTION = Question(
    name="lateness",
    title="Delayed jobs: start after the due time, ms",
    measure=measure,
    columns={"p50": "p50", "p99": "p99", "max": "max", "early": "jobs that ran early"},
    needs=lambda subject: bool(subject.about.get("delayed", True)),
)

if __name__ == "__main__":
    main([QUESTION])
