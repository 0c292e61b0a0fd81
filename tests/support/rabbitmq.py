"""Real RabbitMQ for tests: the one that runs on this machine, and brokers of our own that may be killed.

The machine's broker (amqp://guest:guest@127.0.0.1/, or NEXQ_TEST_AMQP) is shared: tests use queues of their own there
and delete them. One of our own has its own node, ports, folder and epmd.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel, ChannelFrame
from pamqp import commands as spec
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from tests.support.servers import free_port
from tests.support.waiting import until, until_sync

SHARED = os.environ.get("NEXQ_TEST_AMQP", "amqp://guest:guest@127.0.0.1:5672/")
#: The script itself: Debian's wrapper on the path changes the user and the home.
_SCRIPTS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server")
START_S = 90.0


def shared_broker(skip: Callable[[str], Any]) -> str:
    """The URL of the machine's broker. Where there is none: an error in CI, `skip(reason)` elsewhere."""

    async def look() -> None:
        async with asyncio.timeout(5):
            await (await aiormq.connect(SHARED)).close()

    try:
        asyncio.run(look())
    except (OSError, TimeoutError) as error:
        where = SHARED.rpartition("@")[2]
        _missing(f"no RabbitMQ at {where} ({error}); Debian: apt-get install rabbitmq-server", skip)
    return SHARED


def rabbitmq_script(skip: Callable[[str], Any]) -> str:
    """The program that starts a broker. Where there is none: an error in CI, `skip(reason)` elsewhere."""
    for path in _SCRIPTS:
        if Path(path).exists():
            return path
    _missing("rabbitmq-server is not installed; Debian: apt-get install rabbitmq-server", skip)
    raise AssertionError("skip() returned")


def _missing(reason: str, skip: Callable[[str], Any]) -> None:
    if os.environ.get("CI"):
        raise RuntimeError(f"{reason}: CI has to test the bridge")
    print(f"SKIPPED: {reason}")
    skip(reason)


class Broker:
    """A broker of our own. `url` stays the same over restarts."""

    def __init__(self, script: str) -> None:
        self._script = script
        self.folder = Path(tempfile.mkdtemp(prefix="nexq-rabbit-"))
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._epmd_port = str(free_port())
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("loopback_users = none\n")
        folder = str(self.folder)
        self._env = {
            **os.environ,
            "HOME": folder,
            "RABBITMQ_NODENAME": f"nexq{secrets.token_hex(3)}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": self._epmd_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Broker:
        """Start it and wait until it takes connections."""
        self.launch()
        until_sync(self.answers, START_S, "RabbitMQ to listen")
        return self

    def launch(self) -> None:
        """Start it."""
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                [self._script], env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0
            )

    def answers(self) -> bool:
        """Whether it takes connections. Raises RuntimeError when it has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"RabbitMQ ended:\n{(self.folder / 'out').read_text()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                # A listener alone is not enough: while it starts, it may not answer yet.
                probe.settimeout(2)
                probe.sendall(b"AMQP\x00\x00\x09\x01")
                return probe.recv(1) == b"\x01"
        except OSError:
            return False

    def end(self, how: signal.Signals) -> None:
        """SIGTERM: it stops in good order. SIGKILL: it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(FileNotFoundError, ValueError, ProcessLookupError):
            # The script starts the broker as a child.
            os.kill(int((self.folder / "pid").read_text()), how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        finally:
            # Its group is all that it has started, but for epmd.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def stop(self) -> None:
        """End it for good and remove its folder."""
        self.end(signal.SIGKILL)
        epmd = shutil.which("epmd")
        if epmd:
            subprocess.run([epmd, "-port", self._epmd_port, "-kill"], capture_output=True, timeout=10, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Rabbit:
    """A connection for tests, `async with`: makes queues, publishes, looks. Its queues are gone at the end."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._queues: list[str] = []

    async def __aenter__(self) -> Rabbit:
        self._connection = await aiormq.connect(self.url)
        self.channel: AbstractChannel = await self._connection.channel()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._connection.is_closed:
            channel = await self._connection.channel(publisher_confirms=False)
            for queue in self._queues:
                await channel.queue_delete(queue)
        await self._connection.close()

    async def queue(self, arguments: dict[str, Any] | None = None, name: str = "") -> str:
        """A durable queue with a name of its own."""
        name = name or f"nexq-test-{secrets.token_hex(6)}"
        await self.channel.queue_declare(name, durable=True, arguments=arguments)
        self._queues.append(name)
        return name

    def adopt(self, name: str) -> None:
        """Delete this queue too at the end."""
        self._queues.append(name)

    async def dead_lettered(self) -> tuple[str, str]:
        """A queue, and the one that its rejected messages go to."""
        dead = await self.queue()
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
        return await self.queue(arguments), dead

    async def publish(self, queue: str, body: bytes, **properties: Any) -> None:
        """Publish one durable message and wait until the broker has it."""
        await self.channel.basic_publish(
            body, routing_key=queue, properties=spec.Basic.Properties(delivery_mode=2, **properties)
        )

    async def publish_many(self, queue: str, messages: Iterable[tuple[str | None, bytes]]) -> None:
        """Publish many (message id, body), and wait until the broker has them all. Quicker than one by one."""
        channel = await self._connection.channel(publisher_confirms=False)
        for id, body in messages:
            frames = (
                spec.Basic.Publish(routing_key=queue),
                ContentHeader(body_size=len(body), properties=spec.Basic.Properties(message_id=id, delivery_mode=2)),
                ContentBody(body),
            )
            await channel.write_queue.put(ChannelFrame.marshall(channel.number, frames))  # type: ignore[attr-defined]
        # A transaction's end is answered when the messages are on disk; a look at the queue when it has them.
        await channel.queue_declare(queue, passive=True)
        await channel.close()

    async def waiting(self, queue: str) -> int:
        """How many messages wait in a queue, those delivered and not settled left out."""
        return int((await self.channel.queue_declare(queue, passive=True)).message_count or 0)

    async def until_empty(self, queue: str, timeout_s: float = 20.0) -> None:
        """Wait until a queue has nothing to deliver."""

        async def is_empty() -> bool:
            return await self.waiting(queue) == 0

        await until(is_empty, timeout_s, f"{queue} to be empty")

    async def get(self, queue: str) -> aiormq.abc.DeliveredMessage | None:
        """Take a message out of a queue; None when there is none."""
        message = await self.channel.basic_get(queue, no_ack=True)
        return None if isinstance(message.delivery, spec.Basic.GetEmpty) else message
