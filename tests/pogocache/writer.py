"""A process that appends to the shared list until SIGTERM: `python -m tests.pogocache.writer URL FOLDER NAME [LANES]`.

FOLDER/NAME.jsonl tells what it did and heard. It ends with 0; with 3 when the backend says that the log is lost or
cannot be used any more, which the last line tells.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import signal
import sys
from pathlib import Path

from nexq.backends import connect
from nexq.backends.base import Backend
from nexq.errors import BackendUnavailable, NexqError, OutcomeUnknown
from tests.pogocache.appends import Diary, append, read_names

PATIENCE_S = 20.0


async def write(backend: Backend, diary: Diary, lane: str, stop: asyncio.Event, lost: list[NexqError]) -> None:
    """Append one name after the other."""
    for number in itertools.count():
        if stop.is_set():
            return
        name = f"<{lane}.{number}>"
        diary.write("call", name)
        try:
            diary.write("ok", name, place=await append(backend, name))
        except OutcomeUnknown:
            diary.write("unknown", name)
        except BackendUnavailable:
            diary.write("fail", name)
        except NexqError as error:
            diary.write("unknown", name)
            lost.append(error)
            stop.set()
        # Others of this process have their turn, and the machine is not one process's alone.
        await asyncio.sleep(0.001)


async def main(url: str, folder: Path, proc: str, lanes: int) -> int:
    """Write until told to stop; then say what the list looks like from here."""
    stop = asyncio.Event()
    for how in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(how, stop.set)
    backend, diary = connect(url, patience_s=PATIENCE_S), Diary(folder, proc)
    lost: list[NexqError] = []
    await asyncio.gather(*(write(backend, diary, f"{proc}.{lane}", stop, lost) for lane in range(lanes)))
    if not lost:
        diary.write("stopped")
        while not (folder / "read").exists():  # the list is complete when every writer has stopped
            await asyncio.sleep(0.01)
        names = await read_names(backend)
        diary.write("end", error="", count=len(names), sha=hashlib.sha256("\n".join(names).encode()).hexdigest())
    for error in lost[:1]:
        diary.write("end", error=type(error).__name__, says=str(error))
    await backend.aclose()
    diary.close()
    return 3 if lost else 0


def run(url: str, folder: Path, proc: str, lanes: int) -> None:
    """The life of a writer process. What it prints is in FOLDER/NAME.out."""
    out = os.open(folder / f"{proc}.out", os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.exit(asyncio.run(main(url, folder, proc, lanes)))


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int((sys.argv[4:] or ["4"])[0]))
