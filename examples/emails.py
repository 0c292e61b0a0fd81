"""The README's example: a typed handler with priority, timeout and retries.

nexq worker examples.emails:app &
python -m examples.emails
"""

import asyncio

from nexq import CONTEXT, Context, JobFailed, Nexq, Retry

app = Nexq()


class MailboxFull(Exception):
    """Tried again; any other error is not."""


@app.handler("send_email", queue="mail", priority="high", timeout=30, retry=Retry(5, base=0.2, on=(MailboxFull,)))
async def send_email(to: str, subject: str, *, ctx: Context = CONTEXT) -> dict[str, str]:
    if to.startswith("full@") and ctx.attempt < 3:
        raise MailboxFull(to)
    ctx.log.info("sent %r to %s in attempt %d", subject, to, ctx.attempt)
    return {"to": to, "status": "sent"}


async def main() -> None:
    job = await send_email.enqueue(to="ada@example.com", subject="hello")
    later = await send_email.options(delay=1.0, priority="low").enqueue(to="full@example.com", subject="later")
    jobs = await app.enqueue_many(send_email.bind(to=f"user{n}@example.com", subject="news") for n in range(100))
    print(await job.result(timeout=10), await later.result(timeout=10), len([await j.result(10) for j in jobs]))
    try:
        await (await app.enqueue("send_email", {"to": "nobody@example.com", "subject": 7})).result(timeout=10)
    except (ValueError, JobFailed) as error:
        print(error)
    await app.aclose()


if __name__ == "__main__":
    asyncio.run(main())
