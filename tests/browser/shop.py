"""The app of the dashboard's tests: a handler for each thing that can be seen. Its folder is the working one."""

from __future__ import annotations

import asyncio
import datetime
import enum
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field

from nexq import Context, Nexq, Retry

app = Nexq()


class Colour(enum.Enum):
    """What can be ordered."""

    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    """Where it goes."""

    street: str = Field(description="Street and number", min_length=1)
    zip: str | None = None


@app.handler("greet")
async def greet(name: str = "world") -> str:
    """A greeting."""
    return f"Hello, {name}!"


@app.handler("echo")
async def echo(value: Any = None, password: str = "", more: dict[str, Any] | None = None) -> Any:
    """Give back what came."""
    return {"value": value, "more": more}


@app.handler("order", queue="orders")
async def order(
    item: str,
    colour: Colour,
    to: Address,
    count: int = 1,
    sizes: list[Literal["s", "m", "l"]] | None = None,
    on: datetime.date | None = None,
    notes: list[str] | None = None,
    gift: bool = False,
    limit: int | str | None = None,
) -> dict[str, Any]:
    """An order with everything that a form can ask for."""
    return {"item": item, "colour": colour.value, "street": to.street, "count": count, "on": str(on), "notes": notes}


@app.handler("fragile", retry=Retry(max_attempts=1))
async def fragile(why: str = "the card was declined", file: str = "fixed") -> str:
    """Fails until its file is there."""
    if not Path(file).exists():
        raise ValueError(why)
    return "mended"


@app.handler("steps")
async def steps(ctx: Context, file: str = "go") -> str:
    """Says how far it is, and ends once its file is there."""
    ctx.log.info("the first line")
    ctx.progress(0.4, "two of five")
    while not Path(file).exists():
        await asyncio.sleep(0.02)
    ctx.log.warning("the last line")
    return "walked"


@app.handler("stay", queue="slow")
async def stay(ctx: Context) -> None:
    """Runs until it is cancelled."""
    await asyncio.Event().wait()


@app.handler("later", queue="held")
async def later(n: int = 0) -> int:
    """For jobs that wait."""
    return n
