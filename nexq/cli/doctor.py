"""`nexq doctor`: is everything right with the server and with the jobs?"""

from __future__ import annotations

from typing import Annotated

import typer

from nexq.cli.common import Json, Namespace, Url, names, with_store
from nexq.cli.output import print_json, print_table, span
from nexq.keys import check_queue
from nexq.store import Store


def doctor(
    queues: Annotated[str | None, typer.Option("--queues", metavar="A,B", help="Only these queues.")] = None,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """Check the server's settings and the jobs' invariants, on live data; exit code 1 for errors."""
    import time

    from nexq.doctor import Report, examine

    wanted = [check_queue(name) for name in names(queues)] or None
    began = time.monotonic()

    async def work(store: Store) -> tuple[Report, str]:
        return await examine(store, queues=wanted), store.backend.url

    report, where = with_store(url, namespace, work)
    if json:
        print_json({**report.as_dict(), "url": where})
        raise typer.Exit(0 if report.ok else 1)
    looked_at = ", ".join(f"{count:,} {what}" for what, count in report.checked.items())
    typer.echo(f"{where}: looked at {looked_at}, in {span(time.monotonic() - began)}")
    rows = [
        (
            f.code,
            f.severity,
            f.queue or "-",
            f.count,
            f"{f.message} {f.advice}".strip() + (f" Such as: {', '.join(f.ids)}" if f.ids else ""),
        )
        for f in report.findings
    ]
    if rows:
        print_table(("rule", "severity", "queue", "count", "what"), rows, "", numbers=("count",))
    for line in report.notes:
        typer.echo(f"Note: {line}")
    errors = sum(f.severity == "error" for f in report.findings)
    warnings = len(report.findings) - errors
    typer.echo(f"{errors} errors, {warnings} warnings" if rows else "All is well.")
    raise typer.Exit(0 if report.ok else 1)
