"""How fast do messages come from RabbitMQ into nexq? Beside what the bare clients consume and acknowledge alone.

``python -m benchmarks.bridge [--amqp URL] [--server valkey] [--repeat 3] [--messages 30000]``.
Every subject is a process of its own that empties a queue filled before, durable messages, prefetch 1,000. The bare
clients do nothing with a message: aio-pika acknowledges each, as its users do; aiormq, below it, a hundred at a time.
The clock starts before the connection is made, and stops when the last message is acknowledged.
"""

import argparse
import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aio_pika
import aiormq
from aiormq.abc import ChannelFrame, DeliveredMessage
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from benchmarks.bench import report
from benchmarks.bench.server import Server, find_server
from benchmarks.bench.stats import spread
from benchmarks.bench.subject import ROOT
from nexq import Nexq
from nexq.bridges.rabbitmq import Bridge

PREFETCH = 1000
TARGETS = (("nexq", "per_s", 5000.0), ("nexq", "of_bare", 0.6))
COLUMNS = {"per_s": "messages/s", "cpu_us": "client µs/message", "of_bare": "of the quicker bare client"}


# -- The subjects: each takes `count` messages out of a queue


async def consume_aio_pika(amqp: str, queue: str, count: int, _: str) -> None:
    """aio-pika alone."""
    async with await aio_pika.connect(amqp) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        done, left = asyncio.Event(), count

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            nonlocal left
            await message.ack()
            left -= 1
            if not left:
                done.set()

        await (await channel.get_queue(queue)).consume(take)
        await done.wait()


async def consume_aiormq(amqp: str, queue: str, count: int, _: str) -> None:
    """aiormq alone."""
    async with aiormq.connect(amqp) as connection:
        channel = await connection.channel(publisher_confirms=False)
        await channel.basic_qos(prefetch_count=PREFETCH)
        done, taken = asyncio.Event(), 0

        async def take(message: DeliveredMessage) -> None:
            nonlocal taken
            taken += 1
            if taken % 100 == 0 or taken == count:
                await channel.basic_ack(message.delivery_tag or 0, multiple=True, wait=False)
            if taken == count:
                done.set()

        await channel.basic_consume(queue, take)
        await done.wait()


async def consume_nexq(amqp: str, queue: str, count: int, url: str) -> None:
    """The bridge, into a Redis or Valkey."""
    app = Nexq(url, allow_unsafe=True)
    bridge = Bridge(app, amqp=amqp, amqp_queue=queue, prefetch=PREFETCH)
    running = asyncio.create_task(bridge.run())
    while bridge.tally.taken["enqueued"] < count:
        if running.done():
            running.result()
        await asyncio.sleep(0.005)
    bridge.stop()
    await running
    await app.aclose()


SUBJECTS: dict[str, Callable[[str, str, int, str], Coroutine[Any, Any, None]]] = {
    "aio-pika": consume_aio_pika,
    "aiormq": consume_aiormq,
    "nexq": consume_nexq,
}


# -- Around them


async def fill(amqp: str, queue: str, count: int) -> None:
    """A queue with so many durable messages."""
    async with aiormq.connect(amqp) as connection:
        channel: Any = await connection.channel(publisher_confirms=False)
        await channel.queue_declare(queue, durable=True)
        for n in range(count):
            body = b'{"type":"send_email","payload":{"to":"user@example.com","n":%d},"priority":5}' % n
            properties = spec.Basic.Properties(message_id=f"{queue}-{n}", delivery_mode=2)
            frames = (spec.Basic.Publish(routing_key=queue), ContentHeader(body_size=len(body), properties=properties))
            await channel.write_queue.put(ChannelFrame.marshall(channel.number, (*frames, ContentBody(body))))
        while (await channel.queue_declare(queue, passive=True)).message_count < count:
            await asyncio.sleep(0.05)


async def left_then_drop(amqp: str, queue: str) -> int:
    """How many messages are left; the queue is gone then."""
    async with aiormq.connect(amqp) as connection:
        channel = await connection.channel(publisher_confirms=False)
        left = (await channel.queue_declare(queue, passive=True)).message_count
        await channel.queue_delete(queue)
        return left or 0


def measure(subject: str, amqp: str, count: int, program: str) -> dict[str, float]:
    """One subject, once, every message checked to be gone and every job to be there."""
    queue = f"nexq-bench-{secrets.token_hex(6)}"
    try:
        asyncio.run(fill(amqp, queue, count))
        with Server(program) as server:
            command = [
                sys.executable,
                "-m",
                "benchmarks.bridge",
                "consume",
                subject,
                amqp,
                queue,
                str(count),
                server.url,
            ]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
            if subject == "nexq":
                jobs = server.client.hlen("nexq:{default}:jobs")
                assert jobs == count, f"{count} messages became {jobs} jobs"
    finally:
        left = asyncio.run(left_then_drop(amqp, queue))
    assert left == 0, f"{subject} left {left} messages"
    took = json.loads(done.stdout)
    return {"per_s": count / took["seconds"], "cpu_us": took["cpu"] * 1e6 / count}


def consume(subject: str, amqp: str, queue: str, count: int, url: str) -> None:
    """The process of a subject: prints how long it took."""
    cpu, began = time.process_time(), time.perf_counter()
    asyncio.run(SUBJECTS[subject](amqp, queue, count, url))
    print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}))


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bridge")
    parser.add_argument("--amqp", default="amqp://guest:guest@127.0.0.1:5672/")
    parser.add_argument("--server", choices=["redis", "valkey"], default="redis")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--messages", type=int, default=30_000)
    parser.add_argument("--quick", action="store_true", help="one run of 5,000 messages: to see that it works")
    args = parser.parse_args()
    if args.quick:
        args.repeat, args.messages = 1, 5000
    machine, program = report.machine(), find_server(args.server)
    runs: dict[str, list[dict[str, float]]] = {subject: [] for subject in SUBJECTS}
    for turn in range(args.repeat):
        for subject, measured in runs.items():
            measured.append(measure(subject, args.amqp, args.messages, program))
            shown = " ".join(f"{name}={report.number(value)}" for name, value in measured[-1].items())
            print(f"{turn + 1}/{args.repeat} {subject}: {shown}", file=sys.stderr, flush=True)
        bare = max(runs[subject][-1]["per_s"] for subject in SUBJECTS if subject != "nexq")
        runs["nexq"][-1]["of_bare"] = runs["nexq"][-1]["per_s"] / bare
    rows: report.Rows = {
        subject: {"metrics": {name: spread([run[name] for run in measured]) for name in measured[0]}}
        for subject, measured in runs.items()
    }
    print(
        f"## From RabbitMQ, prefetch {PREFETCH:,}\n\n| | {' | '.join(COLUMNS.values())} |\n|---{'|---' * len(COLUMNS)}|"
    )
    for subject, row in rows.items():
        print(f"| {subject} | " + " | ".join(report.cell(row["metrics"].get(name)) for name in COLUMNS) + " |")
    print("\n| measure | target | figure | reached |\n|---|---|---|---|")
    for subject, name, bound in TARGETS:
        figure = float(rows[subject]["metrics"][name]["median"])
        reached = "yes" if figure >= bound else "NO"
        print(f"| {COLUMNS[name]} | at least {bound:g} | {report.number(figure)} | {reached} |")
    document = {"machine": machine, "server": {"kind": args.server}, "options": vars(args), "results": {"bridge": rows}}
    document["options"].pop("amqp")
    print(f"\n{machine}\nwritten: {report.save(document)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["consume"]:
        consume(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6])
    else:
        main()
