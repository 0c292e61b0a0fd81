"""Read by mypy and pyright, never run: every mistake below must be an error, or its `ignore` is reported as unused."""

from __future__ import annotations

from nexq import Context, Depends, Nexq
from nexq.app import Handler

app = Nexq()


@app.handler("add")
async def add(a: int, b: int = 1) -> int:
    return a + b


@app.handler("told")
async def told(ctx: Context, a: int) -> str:
    return str(a)


async def mistakes() -> None:
    await add.enqueue("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await add.enqueue()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await add.enqueue(1, 2, 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await add.enqueue(1, c=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await add.options(delay=1).enqueue(b=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    add.bind("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add.sync.enqueue("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add.options(delays=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    add.options(priority="urgent")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    add.options(delay="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await told.enqueue("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    text: str = await (await add.enqueue(1)).result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(text)


def give() -> int:
    return 1


number: str = Depends(give)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
handler: Handler[[str], int] = add  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
app.handler(mode="threads")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
