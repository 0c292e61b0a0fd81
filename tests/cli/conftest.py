"""The command line as a user runs it: `python -m nexq` in an empty folder, against a real Valkey."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest

from nexq.backends import connect
from nexq.cli.main import run
from nexq.store import Store
from tests.support.servers import Server
from tests.support.waiting import until_sync

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]

#: The app of the tests. `hold` runs until its file is there; every start and end is a line in a file.
APP = """
import asyncio, pathlib
from nexq import Context, Nexq, Retry

app = Nexq()
here = pathlib.Path(__file__).parent

@app.handler
async def greet(name: str = "world") -> str:
    return f"Hello, {name}!"

@app.handler(retry=Retry(max_attempts=1))
async def fail(reason: str = "on purpose") -> None:
    raise RuntimeError(reason)

@app.handler
async def hold(file: str = "go") -> str:
    with (here / "log").open("a") as log:
        log.write("start\\n")
    while not (here / file).exists():
        await asyncio.sleep(0.01)
    with (here / "log").open("a") as log:
        log.write("end\\n")
    return "held"

@app.handler(queue="mail")
def mail(to: str, n: int = 0) -> int:
    return n
"""


class Cli:
    """Runs nexq in a folder."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self.folder = folder
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("NEXQ_") and k not in ("FORCE_COLOR",)}
        self.env["PYTHONPATH"] = str(ROOT)
        self.env["PYTHONUNBUFFERED"] = "1"
        if url is not None:
            self.env["NEXQ_URL"] = url
        self.spawned: list[subprocess.Popen[str]] = []

    def run(
        self, *args: str, code: int = 0, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end and check its exit code. What it says is never a traceback of nexq's own."""
        done = subprocess.run(
            [sys.executable, "-m", "nexq", *args],
            cwd=self.folder,
            env=self.env | (env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert str(ROOT / "nexq" / "cli") not in done.stderr, done.stderr
        return done

    def call(
        self, *args: str, code: int = 0, stdin: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same in this process, for verbs that import no app: many times as fast."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.env | (env or {}), clear=True),
            chdir(self.folder),
            mock.patch.object(sys, "argv", ["nexq", *args]),
            mock.patch.object(sys, "stdin", io.StringIO(stdin)),
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            run()
        logging.getLogger("nexq").setLevel(logging.NOTSET)
        said = f"{args}: exit {ended.value.code}\n{out.getvalue()}\n{err.getvalue()}"
        assert (ended.value.code or 0) == code, said
        return subprocess.CompletedProcess(args, code, out.getvalue(), err.getvalue())

    def out(self, *args: str, **how: Any) -> str:
        """The stdout of a verb that succeeds."""
        return self.call(*args, **how).stdout

    def json(self, *args: str, **how: Any) -> Any:
        """The one JSON document that a verb prints."""
        return json.loads(self.call(*args, "--json", **how).stdout)

    def error(self, *args: str, code: int = 1, **how: Any) -> str:
        """The stderr of a verb that fails."""
        done = self.call(*args, code=code, **how)
        assert any(line.startswith("Error: ") for line in done.stderr.splitlines()) or code == 2, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Run a coroutine with the store itself."""

        async def main() -> T:
            store = Store(connect(self.env["NEXQ_URL"], patience_s=5.0))
            try:
                return await work(store)
            finally:
                await store.aclose()

        return asyncio.run(main())

    def spawn(self, *args: str, env: dict[str, str] | None = None) -> Process:
        """Start a long-running verb; its stderr goes to a file."""
        process = Process(self, [sys.executable, "-m", "nexq", *args], self.env | (env or {}), len(self.spawned))
        self.spawned.append(process.popen)
        return process

    def lines(self) -> list[str]:
        """What the handlers have written."""
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []


class Process:
    """A verb that runs."""

    def __init__(self, cli: Cli, command: list[str], env: dict[str, str], number: int) -> None:
        self._log = cli.folder / f"out-{number}"
        with self._log.open("w") as out:
            self.popen = subprocess.Popen(
                command,
                cwd=cli.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.popen.pid

    def text(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def until(self, said: str) -> None:
        """Wait until it has said something."""
        until_sync(lambda: said in self.text() or self.popen.poll() is not None, 15, f"{said!r}")
        assert said in self.text(), self.text()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.popen.send_signal(number)

    def end(self, code: int, timeout_s: float = 15) -> str:
        """Wait for its end; what it said."""
        assert self.popen.wait(timeout_s) == code, self.text()
        return self.text()


@pytest.fixture
def cli(tmp_path: Path, valkey: Server) -> Iterator[Cli]:
    """nexq against an empty Valkey, in a folder with an app."""
    valkey.wire.call("FLUSHALL")
    (tmp_path / "shop.py").write_text(APP)
    yield from _cli(Cli(tmp_path, valkey.url))


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Cli]:
    """nexq in an empty folder, with nothing set: its default is the embedded server."""
    yield from _cli(Cli(tmp_path, None))


def _cli(cli: Cli) -> Iterator[Cli]:
    yield cli
    for process in cli.spawned:
        if process.poll() is None:
            process.kill()
        process.wait(10)
