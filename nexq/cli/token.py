"""`nexq token`: bearer tokens of the server."""

from __future__ import annotations

import asyncio
import re
from enum import StrEnum
from typing import Annotated

import typer

from nexq.backends import DEFAULT_URL, connect
from nexq.cli.common import PATIENCE_S, Json, Namespace, Url, fail, note, with_store
from nexq.cli.output import ago, at, print_json, print_table
from nexq.config import setting
from nexq.store import Store, Token

app = typer.Typer(help="Bearer tokens of the server.", no_args_is_help=True)

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class ScopeName(StrEnum):
    """What a token may do; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    scope: Annotated[
        ScopeName,
        typer.Option("--scope", "-s", help="read: look; write: submit, claim, move jobs; admin: everything."),
    ] = ScopeName.READ,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", "-q", help="Only queues that match, as 'mail*'. May be given several times."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="How long it is good for, as 90d, 12h, 30m. Default: for ever")
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    json: Json = False,
) -> None:
    """Make a token and print it: it is shown this once, only its SHA-256 is kept."""
    ttl_s = None if expires is None else _span(expires)

    async def make() -> tuple[Token, str]:
        # The first token may be made before anything else is there.
        backend = connect(setting("url", url, DEFAULT_URL), patience_s=PATIENCE_S)
        store = Store(backend, setting("namespace", namespace, "nexq"))
        try:
            return await store.books.create_token(name, scope.value, queue or (), ttl_s)
        finally:
            await store.aclose()

    token, text = asyncio.run(make())
    if json:
        print_json({**token.as_dict(), "token": text})
        return
    covers = ", ".join(token.queues) or "all queues"
    until = f", until {at(token.expires_ms)}" if token.expires_ms else ""
    note(f"Token {token.id} ({token.name}): {token.scope} on {covers}{until}. Keep it; it is not shown again.")
    typer.echo(text)


@app.command("ls")
def ls(url: Url = None, namespace: Namespace = None, json: Json = False) -> None:
    """List the tokens, without their text."""
    tokens = with_store(url, namespace, lambda store: store.books.tokens())
    if json:
        print_json({"tokens": [token.as_dict() for token in tokens]})
        return
    rows = [
        (t.id, t.name, t.scope, " ".join(t.queues) or "all", ago(t.created_ms), ago(t.used_ms), ago(t.expires_ms))
        for t in tokens
    ]
    print_table(("id", "name", "scope", "queues", "created", "last used", "expires"), rows, "No tokens.")


@app.command("revoke")
def revoke(
    token: Annotated[str, typer.Argument(help="Its id, or its name.")], url: Url = None, namespace: Namespace = None
) -> None:
    """Revoke a token: it and its sessions are refused within 2 seconds."""

    async def end(store: Store) -> Token | None:
        for found in await store.books.tokens():
            if token in (found.id, found.name):
                await store.books.revoke_token(found.id)
                return found
        return None

    found = with_store(url, namespace, end)
    if found is None:
        fail(f"No token has the id or the name {token!r}: see `nexq token ls`.")
    typer.echo(f"Revoked {found.id} ({found.name}).")


def _span(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None:
        fail(f"Expected --expires to be like 90d, 12h, 30m or a number of seconds; got {text!r}.", 2)
    return float(match[1]) * _UNITS[match[2] or "s"]
