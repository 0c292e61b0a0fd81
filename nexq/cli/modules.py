"""`nexq modules`: the modules there are."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import typer

from nexq.cli.common import Json, names
from nexq.cli.moduleref import Modules, load_module
from nexq.cli.output import print_json, print_table
from nexq.cli.schema import fields
from nexq.config import setting
from nexq.errors import ConfigError
from nexq.registry import HandlerSpec

app = typer.Typer(help="Modules: job types that need no code of one's own.", no_args_is_help=True)


@app.command("ls")
def ls(module: Modules = None, json: Json = False) -> None:
    """List the modules, their job types and what their payloads look like."""
    listed = list(_listed(module))
    if json:
        print_json(listed)
        return
    rows = []
    for entry in listed:
        first = (entry["name"], entry["source"])
        if entry["error"]:
            rows.append((*first, "-", f"cannot be used: {entry['error']}"))
        rows += [(*first, h["type"], "  ".join(fields(h["schema"]))) for h in entry["handlers"]]
    print_table(("module", "from", "type", "payload (* needed)"), rows, "There are no modules.")
    notes = [f"{entry['name']}: {entry['status']}" for entry in listed if entry["status"]]
    if notes:
        typer.echo("\n" + "\n".join(notes))


def _listed(refs: Iterable[str] | None) -> Iterable[dict[str, Any]]:
    from nexq.modules import Found, discover

    asked = [load_module(ref) for ref in refs or names(setting("modules", None, ""))]
    found = list(discover())
    known = {id(f.module) for f in found}
    found += [Found(m.name, "--module", m) for m in asked if id(m) not in known]
    for f in found:
        status, error = "", f.error
        if f.module is not None:
            try:
                status = f.module.status()
            except ConfigError as wrong:
                error = str(wrong)
        yield {
            "name": f.name,
            "source": f.source,
            "about": f.module.about if f.module else "",
            "status": status,
            "error": error,
            "handlers": [_handler(spec) for spec in f.module.specs] if f.module else [],
        }


def _handler(spec: HandlerSpec) -> dict[str, Any]:
    return {
        "type": spec.name,
        "doc": inspect.getdoc(spec.fn) or "",
        "queue": spec.queue,
        "priority": spec.priority,
        "max_attempts": spec.retry.max_attempts,
        "schema": spec.signature.json_schema(),
    }
