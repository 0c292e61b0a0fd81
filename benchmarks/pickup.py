"""How soon does an idle worker start a job: from just before the enqueue call to the handler's first line?"""

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.run import crew
from benchmarks.bench.server import Server
from benchmarks.bench.stats import percentile
from benchmarks.bench.subject import Subject
from benchmarks.peers.base import Journal

WARM = 50


def measure(subject: Subject, options: Options) -> Measures:
    """One job each 5 to 10 ms; the first 50 are not counted."""
    jobs = options.pickups + WARM
    with Server(options.program) as server, crew(subject, server, jobs) as band:
        subject.produce("one", server.url, jobs, count=1)
        band.start()
        band.wait_started()
        sent = Journal.create(band.folder / "sent", jobs)
        subject.produce("pickup", server.url, jobs, start=1, sent=band.folder / "sent")
        band.wait(lambda: band.ran() >= jobs, 60)
        late = [(band.journals[0].stamps[n] - sent.stamps[n]) * 1000 for n in range(WARM, jobs)]
    return {"p50": percentile(late, 0.5), "p99": percentile(late, 0.99), "max": max(late)}


QUESTION = Question(
    name="pickup",
    title="Pickup on an idle worker, ms",
    measure=measure,
    columns={"p50": "p50", "p99": "p99", "max": "max"},
)

if __name__ == "__main__":
    main([QUESTION])
