"""`nexq dead`: the jobs that are out of attempts."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from nexq.cli.common import Json, Limit, Namespace, Queue, Type, Url, Yes, confirm, fail, note, with_store
from nexq.cli.jobs import select, show_list
from nexq.cli.moves import retry_one, run_moves
from nexq.cli.output import print_json
from nexq.cli.queues import purge_state
from nexq.errors import JobNotFound, UniqueConflict
from nexq.keys import check_queue
from nexq.states import JobState
from nexq.store import Store

app = typer.Typer(help="The jobs that are out of attempts.", no_args_is_help=True)

#: Revivals under way at once.
AT_ONCE = 100


@app.command("ls")
def ls(
    queue: Queue = None,
    type: Type = None,
    limit: Limit = 50,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """List dead jobs, the newest first."""
    jobs, more = with_store(url, namespace, lambda store: select(store, (JobState.DEAD,), queue, type, limit))
    show_list(jobs, more, json)


@app.command("revive")
def revive(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of jobs.", show_default=False)] = None,
    all: Annotated[bool, typer.Option("--all", help="All dead jobs (of --queue, of --type).")] = False,
    queue: Queue = None,
    type: Type = None,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """Give dead jobs another life, their attempts counted anew."""
    if bool(ids) == all:
        fail("Say which: ids of jobs, or --all.", 2)
    if ids:
        run_moves(ids, queue, retry_one, json, url, namespace)
        return
    revived, refused = with_store(url, namespace, lambda store: _revive_all(store, queue, type))
    if json:
        print_json({"revived": revived, "refused": refused})
    else:
        typer.echo(f"{revived:,} jobs revived")
    if refused:
        note(f"{refused:,} jobs were not: a living job holds their unique key.")
        raise typer.Exit(1)


@app.command("purge")
def purge(
    queue: Queue = None, yes: Yes = False, json: Json = False, url: Url = None, namespace: Namespace = None
) -> None:
    """Delete dead jobs and all that is known of them."""
    confirm(f"Delete the dead jobs of {f'queue {queue!r}' if queue else 'every queue'} for good?", yes)

    async def work(store: Store) -> int:
        names = [check_queue(queue)] if queue else (await store.views.directory()).queues
        return sum([await purge_state(store, name, JobState.DEAD) for name in names])

    purged = with_store(url, namespace, work)
    if json:
        print_json({"purged": purged})
    else:
        typer.echo(f"{purged:,} jobs deleted")


async def _revive_all(store: Store, queue: str | None, type: str | None) -> tuple[int, int]:
    """(how many were revived, how many were refused) of the jobs that are dead now, oldest first."""
    names = [check_queue(queue)] if queue else (await store.views.directory()).queues
    wanted = [
        (name, job.id)
        for name in names
        async for job in store.views.walk(name, JobState.DEAD, newest=False)
        if type is None or job.spec.type == type
    ]
    revived = refused = 0
    for start in range(0, len(wanted), AT_ONCE):
        calls = (_revive(store, *one) for one in wanted[start : start + AT_ONCE])
        for moved in await asyncio.gather(*calls):
            revived += moved is True
            refused += moved is None
    return revived, refused


async def _revive(store: Store, queue: str, id: str) -> bool | None:
    """Whether it was revived; None when a living job holds its unique key."""
    try:
        return (await store.moves.revive(queue, id))[0]
    except UniqueConflict:
        return None
    except JobNotFound:
        return False
