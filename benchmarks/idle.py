"""What does an idle worker cost: commands per second on the server, and processor time of both?"""

import time

from benchmarks.bench.cli import main
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.run import crew
from benchmarks.bench.server import Server
from benchmarks.bench.subject import Subject


def measure(subject: Subject, options: Options) -> Measures:
    """After one job and two seconds of rest: what clients send (MONITOR), apart from what scripts do inside."""
    with Server(options.program) as server, crew(subject, server, 1) as band:
        subject.produce("one", server.url, 1)
        band.start()
        band.wait_all()
        time.sleep(2)
        before, worker, clock = server.usage(), band.cpu(), time.monotonic()
        sent, inside = server.watch_commands(options.idle_seconds)
        after, seconds = server.usage(), time.monotonic() - clock
        own = sum(name in ("INFO", "MONITOR") for name in sent)
        return {
            "per_s": (len(sent) - own) / seconds,
            "inside_per_s": len(inside) / seconds,
            "worker_ms_per_s": (band.cpu() - worker) * 1000 / seconds,
            "server_ms_per_s": (after["cpu"] - before["cpu"]) * 1000 / seconds,
        }


QUESTION = Question(
    name="idle",
    title="An idle worker",
    measure=measure,
    columns={
        "per_s": "commands/s sent",
        "inside_per_s": "further ones inside scripts/s",
        "worker_ms_per_s": "worker CPU, ms/s",
        "server_ms_per_s": "server CPU, ms/s",
    },
)

if __name__ == "__main__":
    main([QUESTION])
