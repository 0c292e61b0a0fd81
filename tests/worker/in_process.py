"""Handlers for `mode="process"`: a child imports this module to find them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nexq import Bury, Cancel, Context, Depends, Nexq, Retry, Snooze

_app = Nexq("memory://in_process")
HERE: Path = Depends(Path.cwd)
ONCE = Retry(max_attempts=1)


@_app.handler(mode="process")
def add(a: int, b: int = 1) -> int:
    return a + b


@_app.handler(mode="process")
async def later(at: datetime) -> datetime:
    return at + timedelta(days=1)


@_app.handler(mode="process")
def recount(ctx: Context, word: str) -> None:
    ctx.progress(0.1, "first")
    ctx.log.debug("too little to be kept")
    ctx.log.info("begin %s", word)
    ctx.log.warning("half %(share)d %%", {"share": 50})
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        ctx.log.exception("broke")
    ctx.progress(1.5, "all\ndone")


@_app.handler(mode="process")
def pid() -> int:
    return os.getpid()


@_app.handler(mode="process", retry=Retry(max_attempts=2, base=0.001, on=(LookupError,)))
def fail(kind: str) -> None:
    raise {"key": KeyError, "type": TypeError, "exit": SystemExit}[kind]("no luck \udcff")


@_app.handler(mode="process", retry=ONCE)
def die() -> None:
    os._exit(7)


@_app.handler(mode="process")
def end_as(what: str) -> Any:
    return {"bury": Bury("enough"), "cancel": Cancel("not wanted"), "snooze": Snooze(60.0)}[what]


@_app.handler(mode="process")
def tell(ctx: Context, word: str) -> list[Any]:
    return [word, ctx.job.type, ctx.attempt, ctx.token > 0, ctx.deadline]


@_app.handler(mode="process")
def depend(where: Path = HERE) -> str:
    return str(where)


@_app.handler(mode="process", retry=ONCE)
def hang(file: str) -> None:
    """Start a grandchild, write both pids, and never end."""
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    path = Path(file)
    path.with_suffix(".new").write_text(f"{os.getpid()} {grandchild.pid}")
    path.with_suffix(".new").rename(path)
    time.sleep(600)


HANDLERS = [add, later, pid, fail, die, end_as, tell, depend, hang]


def register(app: Nexq) -> None:
    """Make them handlers of another app too."""
    for handler in HANDLERS:
        app.registry.add(handler.spec)
