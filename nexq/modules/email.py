"""`email:send`: a message as a job, over SMTP; a simulation where no server is set."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, Field

from nexq.app import Module
from nexq.config import setting
from nexq.depends import CONTEXT, Context, Depends
from nexq.errors import ConfigError
from nexq.modules.checks import bounded
from nexq.modules.email_message import Attachment, Letter, address_of, check_address, check_headers, check_line
from nexq.modules.failures import EmailFailed
from nexq.retry import Retry

LATENCY = "0.05-0.5"
FAILURES = 0.1


def _all(given: str | list[str]) -> list[str]:
    return [check_address(address) for address in (given if isinstance(given, list) else [given])]


def _some(given: list[str]) -> list[str]:
    if not given:
        raise ValueError("expected at least one address")
    return given


Address = Annotated[str, Field(max_length=400), AfterValidator(check_address)]
Addresses = Annotated[str | Annotated[list[str], Field(max_length=100)], AfterValidator(_all)]
Line = Annotated[str, Field(max_length=900), AfterValidator(check_line)]
Headers = Annotated[dict[str, str], Field(max_length=50), AfterValidator(check_headers)]


class Sends(Protocol):
    """What sends letters: nexq.modules.email_smtp.Smtp, or the simulation."""

    async def send(self, letter: Letter, message_id: str, last_attempt: bool) -> dict[str, Any]:
        """What became of it. Raises EmailFailed."""
        ...


class Simulation:
    """Sends nothing, takes a while, and fails now and then."""

    def __init__(self, least_s: float, most_s: float, failures: float) -> None:
        self._least_s, self._most_s, self._failures = least_s, most_s, failures

    @classmethod
    def load(cls) -> Simulation:
        """From NEXQ_EMAIL_LATENCY and NEXQ_EMAIL_FAILURES. Raises ConfigError."""
        text = setting("email_latency", None, LATENCY)
        least, _, most = text.partition("-")
        try:
            bounds = float(least), float(most or least)
        except ValueError:
            bounds = (1.0, 0.0)
        if not 0 <= bounds[0] <= bounds[1] <= 60:
            raise ConfigError(f"NEXQ_EMAIL_LATENCY: expected seconds such as 0.05-0.5, at most 60; got {text!r}.")
        return cls(*bounds, bounded("email_failures", FAILURES, 0.0, 1.0))

    async def send(self, letter: Letter, message_id: str, last_attempt: bool) -> dict[str, Any]:
        """Pretend to."""
        await asyncio.sleep(random.uniform(self._least_s, self._most_s))  # noqa: S311  (not for secrets)
        if random.random() < self._failures:  # noqa: S311
            raise EmailFailed("A simulated failure: the simulation of email:send fails now and then.")
        return {
            "sent": False,
            "simulated": True,
            "note": "Nothing was sent: NEXQ_SMTP_URL is not set.",
            "message_id": message_id,
            "accepted": letter.recipients,
            "refused": {},
        }


def _status() -> str:
    url = setting("smtp_url", None, "")
    if not url:
        Simulation.load()
        return "a simulation, nothing is sent: NEXQ_SMTP_URL is not set"
    from nexq.modules.email_smtp import Smtp

    return f"sends through {Smtp.load(url).place}"


async def make_sender() -> AsyncIterator[Sends]:
    """The worker's way to send."""
    url = setting("smtp_url", None, "")
    if not url:
        yield Simulation.load()
        return
    # Imported where it is needed: a worker without such jobs starts faster.
    from nexq.modules.email_smtp import Smtp

    yield Smtp.load(url)


module = Module("email", about="E-mail over SMTP.", status=_status)


@module.handler("send", retry=Retry(max_attempts=6, base=5.0, factor=4.0, cap=3600.0))
async def send(
    to: Annotated[Addresses, AfterValidator(_some)],
    subject: Line = "",
    body: str | None = None,
    html: str | None = None,
    cc: Addresses | None = None,
    bcc: Addresses | None = None,
    sender: Annotated[Address | None, Field(alias="from")] = None,
    reply_to: Address | None = None,
    headers: Headers | None = None,
    attachments: Annotated[list[Attachment], Field(max_length=50)] | None = None,
    *,
    ctx: Context = CONTEXT,
    smtp: Sends = Depends(make_sender, scope="worker"),
) -> dict[str, Any]:
    """Send an e-mail; see docs/modules.md. Without NEXQ_SMTP_URL a simulation that sends nothing.

    to           an address or several: "a@b.c", "Ada <a@b.c>"; so cc and bcc
    body, html   as text, as HTML, or both
    from         NEXQ_SMTP_FROM when left out
    attachments  [{"filename", "content" (base64), "type"}]
    """
    letter = Letter(
        sender=sender or setting("smtp_from", None, "") or "nexq@localhost",
        to=_list(to),
        cc=_list(cc),
        bcc=_list(bcc),
        reply_to=reply_to,
        subject=subject,
        body=body,
        html=html,
        headers=headers or {},
        attachments=attachments or [],
    )
    # From the job's id: a retry carries the same one, so whoever got it before can tell.
    message_id = f"<nexq.{ctx.job.id}@{address_of(letter.sender).domain}>"
    return await smtp.send(letter, message_id, ctx.last_attempt)


def _list(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else given or []
