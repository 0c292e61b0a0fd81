"""The bundled handlers: what `nexq up` runs when it is given no app. Each shows one thing."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time

from nexq.app import Handler, Nexq
from nexq.depends import CONTEXT, Context
from nexq.retry import Retry

app = Nexq()

#: The queue of `nexq stress`.
STRESS_QUEUE = "stress"
STRESS_TYPE = "stress:noop"


@app.handler("demo:hello")
async def hello(name: str = "world", *, ctx: Context = CONTEXT) -> str:
    """The smallest: a greeting, in the log and as the result."""
    ctx.log.info("Hello, %s!", name)
    return f"Hello, {name}!"


@app.handler("demo:add")
def add(a: float, b: float) -> float:
    """An ordinary function: it runs in a thread. Its arguments are checked before the job is taken."""
    return a + b


@app.handler("demo:flaky", retry=Retry(max_attempts=5, base=0.5, factor=2.0, cap=10.0))
async def flaky(rate: float = 0.5, *, ctx: Context = CONTEXT) -> str:
    """Fails in `rate` of its runs, and is tried again after growing waits."""
    if random.random() < rate:  # noqa: S311  (not for secrets)
        raise ConnectionError(f"the service did not answer (attempt {ctx.attempt} of {ctx.max_attempts})")
    ctx.log.info("done in attempt %d", ctx.attempt)
    return f"done in attempt {ctx.attempt}"


@app.handler("demo:slow", timeout=60)
async def slow(seconds: float = 3.0, *, ctx: Context = CONTEXT) -> float:
    """Takes a while without using the CPU, and says how far it is: many of them run at once."""
    ctx.log.info("takes %g s", seconds)
    for step in range(1, 11):
        await asyncio.sleep(seconds / 10)
        ctx.progress(step / 10, f"{seconds * step / 10:.1f} of {seconds:g} s")
    return seconds


@app.handler("demo:cpu", mode="process", timeout=60)
def cpu(rounds: int = 200_000) -> dict[str, object]:
    """Works the CPU, in a process of its own: it blocks nobody, and a timeout really ends it."""
    begun = time.perf_counter()
    digest = hashlib.pbkdf2_hmac("sha256", b"nexq", b"demo", rounds).hex()
    return {"digest": digest, "seconds": round(time.perf_counter() - begun, 3)}


@app.handler("demo:always_fails", retry=Retry(max_attempts=2, base=0.2))
async def always_fails(reason: str = "this is what it does") -> None:
    """Fails, is tried once more, and ends among the dead: see `nexq dead ls`."""
    raise RuntimeError(reason)


async def _noop(sent: float = 0.0, pad: str = "") -> float:
    """Do nothing; return the time of the start (Unix, seconds), from which `nexq stress` has its figures."""
    return time.time()


def add_stress(app: Nexq) -> Handler[..., float]:
    """Register the no-op handler of `nexq stress` on an app."""
    return app.handler(STRESS_TYPE, queue=STRESS_QUEUE)(_noop)


add_stress(app)


async def traffic(app: Nexq, per_second: float = 3.0) -> None:
    """Submit a little of everything, for ever: mixed types, priorities and delays."""
    names = ("Ada", "Grace", "Alan", "Edsger", "Barbara")
    while True:
        kind = random.choices(  # noqa: S311
            ("hello", "add", "flaky", "slow", "cpu", "always_fails"), weights=(8, 5, 4, 3, 1, 0.5)
        )[0]
        payloads: dict[str, dict[str, object]] = {
            "hello": {"name": random.choice(names)},  # noqa: S311
            "add": {"a": random.randint(1, 99), "b": random.randint(1, 99)},  # noqa: S311
            "slow": {"seconds": round(random.uniform(0.5, 5.0), 1)},  # noqa: S311
        }
        await app.enqueue(
            f"demo:{kind}",
            payloads.get(kind, {}),
            priority=random.choice((1, 5, 5, 9)),  # noqa: S311
            delay=round(random.uniform(1, 20), 1) if random.random() < 0.3 else None,  # noqa: S311
        )
        await asyncio.sleep(random.expovariate(per_second))
