"""Sending letters over SMTP."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib

from nexq.errors import ConfigError
from nexq.modules.checks import bounded, excerpt
from nexq.modules.email_message import Letter, address_of
from nexq.modules.failures import EmailFailed

TIMEOUT_S = 60.0
#: Connections to the server at once.
MOST_CONNECTIONS = 20
Tls = Literal["auto", "required", "off", "implicit"]
_EXPECTED = "expected smtp://[user:password@]host[:port][?tls=required] or smtps://…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """A mail server.

    tls  implicit: from the first byte (smtps); required, auto: by STARTTLS, always or where it is offered; off
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls = "auto"
    context: ssl.SSLContext | None = None
    timeout_s: float = TIMEOUT_S
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CONNECTIONS))

    @classmethod
    def load(cls, url: str) -> Smtp:
        """The server that NEXQ_SMTP_URL names. Raises ConfigError, which never shows the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"NEXQ_SMTP_URL: {error}; {_EXPECTED}.") from None
        query = dict(parse_qsl(parts.query))
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path not in ("", "/"):
            raise ConfigError(f"NEXQ_SMTP_URL: {_EXPECTED}.")
        if unknown := sorted(query.keys() - {"tls", "ca"}):
            raise ConfigError(f"NEXQ_SMTP_URL: unknown parameter {unknown[0]!r}; there are tls and ca.")
        tls = query.get("tls", "required" if parts.username else "auto")
        if parts.scheme == "smtps":
            tls = "implicit"
        elif tls not in ("auto", "required", "off"):
            raise ConfigError(f"NEXQ_SMTP_URL: expected tls to be auto, required or off; got {tls!r}.")
        try:
            context = ssl.create_default_context(cafile=query.get("ca"))
        except OSError as error:
            raise ConfigError(f"NEXQ_SMTP_URL: the file of ca={query.get('ca')} cannot be read: {error}.") from None
        return cls(
            host=parts.hostname,
            port=port or {"implicit": 465, "required": 587}.get(tls, 25),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=tls,  # type: ignore[arg-type]
            context=context,
            timeout_s=bounded("smtp_timeout", TIMEOUT_S, 1.0, 3600.0),
        )

    @property
    def place(self) -> str:
        """Where it is, without credentials."""
        return f"{self.host}:{self.port}"

    async def send(self, letter: Letter, message_id: str, last_attempt: bool) -> dict[str, Any]:
        """Send a letter. Raises EmailFailed.

        A recipient that is refused for now holds the letter back for all, so that no retry doubles it for the others;
        in the last attempt it goes to those who are taken.
        """
        try:
            async with self._slots, asyncio.timeout(self.timeout_s):
                return await self._send(letter, message_id, last_attempt)
        except TimeoutError:
            raise EmailFailed(f"{self.place} did not take the message within {self.timeout_s:g} s.") from None
        except aiosmtplib.SMTPAuthenticationError as error:
            # The operator's affair, not the message's: it waits for other credentials.
            raise EmailFailed(f"{self.place} refused the credentials of NEXQ_SMTP_URL: {_said(error)}.") from None
        except aiosmtplib.SMTPResponseException as error:
            raise EmailFailed(f"{self.place} answered {_said(error)}.", retry=_for_now(error.code)) from None
        except aiosmtplib.SMTPNotSupported as error:
            raise EmailFailed(f"{self.place}: {error.message}", retry=not letter.international) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            why = excerpt(str(error)) or type(error).__name__
            raise EmailFailed(f"{self.place} cannot be reached: {why}.") from None

    async def _send(self, letter: Letter, message_id: str, last_attempt: bool) -> dict[str, Any]:
        client = aiosmtplib.SMTP(
            hostname=self.host,
            port=self.port,
            username=self.user or None,
            password=self.password or None,
            use_tls=self.tls == "implicit",
            start_tls={"auto": None, "required": True}.get(self.tls, False),
            tls_context=self.context,
            timeout=self.timeout_s,
            local_hostname=_own_name(letter),
        )
        await client.connect()
        try:
            data = letter.message(message_id)
            options, encoding = (["SMTPUTF8"], "utf-8") if letter.international else ([], "ascii")
            if options and not client.supports_extension("smtputf8"):
                raise aiosmtplib.SMTPNotSupported("it takes no addresses beyond ASCII (SMTPUTF8).")
            if client.supports_extension("size"):
                options.append(f"size={len(data)}")
            await client.mail(address_of(letter.sender).addr_spec, options=options, encoding=encoding)
            accepted, refused = await self._recipients(client, letter.recipients, encoding, last_attempt)
            answer = await client.data(data)
        finally:
            # It may be gone, or slow; the message is not affected any more.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                if client.is_connected:
                    async with asyncio.timeout(2.0):
                        await client.quit()
            client.close()
        return {
            "sent": True,
            "simulated": False,
            "message_id": message_id,
            "accepted": accepted,
            "refused": refused,
            "answer": excerpt(f"{answer.code} {answer.message}"),
        }

    async def _recipients(
        self, client: aiosmtplib.SMTP, recipients: list[str], encoding: str, last_attempt: bool
    ) -> tuple[list[str], dict[str, str]]:
        """Name the recipients. Raises EmailFailed where none is taken, or one may be later."""
        accepted: list[str] = []
        refused: dict[str, aiosmtplib.SMTPRecipientRefused] = {}
        for recipient in recipients:
            try:
                await client.rcpt(recipient, encoding=encoding)
                accepted.append(recipient)
            except aiosmtplib.SMTPRecipientRefused as error:
                refused[recipient] = error
        for_now = any(_for_now(error.code) for error in refused.values())
        told = {recipient: excerpt(_said(error)) for recipient, error in refused.items()}
        if not accepted or (for_now and not last_attempt):
            listed = "; ".join(f"{recipient}: {text}" for recipient, text in list(told.items())[:5])
            raise EmailFailed(f"{self.place} refused {len(refused)} of {len(recipients)}: {listed}.", retry=for_now)
        return accepted, told


def _own_name(letter: Letter) -> str:
    """How we introduce ourselves: asking the system for its full name may take seconds of DNS."""
    import socket

    name = socket.gethostname()
    return name if name.isascii() and "." in name else address_of(letter.sender).domain


def _for_now(code: int) -> bool:
    return not 500 <= code < 600


def _said(error: aiosmtplib.SMTPResponseException) -> str:
    return excerpt(f"{error.code} {error.message}")
