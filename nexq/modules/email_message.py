"""A letter as the payload has it, and the message that goes out."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_NAMED = re.compile(r"(?s)\s*(.*?)\s*<([^<>]*)>\s*")
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f\"(),:;<>@\[\\\]]+")
_DOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.I)
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
#: Headers that the message has from elsewhere, or that only servers write.
_NOT_YOURS = frozenset(
    {
        *("from", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "sender", "return-path", "received"),
        *("mime-version", "dkim-signature", "authentication-results"),
    }
)


def check_line(text: str) -> str:
    """A header's text. Raises ValueError for one that would begin another header."""
    if any(c in "\r\n\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029" for c in text):
        raise ValueError("a header has no line breaks and no NUL")
    return text


def check_address(text: str) -> str:
    """An address, with or without a name. Raises ValueError."""
    address_of(text)
    return text


def check_headers(headers: dict[str, str]) -> dict[str, str]:
    """Headers of one's own. Raises ValueError."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header")
        if name.lower() in _NOT_YOURS or name.lower().startswith(("content-", "resent-", "arc-")):
            raise ValueError(f"{name} has a field of its own, or is written by servers")
        check_line(value)
    return headers


def address_of(text: str) -> Address:
    """The address in `a@b.c` or `Ada <a@b.c>`; its domain in ASCII. Raises ValueError."""
    check_line(text)
    named = _NAMED.fullmatch(text)
    name, spec = (named[1].strip('"'), named[2]) if named else ("", text.strip())
    local, at, domain = spec.rpartition("@")
    try:
        domain = domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        domain = ""
    if not at or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain) or len(local.encode()) > 64:
        raise ValueError(f"{text[:100]!r} is not an e-mail address such as ada@example.com or Ada <ada@example.com>")
    return Address(name, local, domain)


def _base64(text: str) -> str:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("expected base64") from None
    return text


def _media_type(text: str) -> str:
    if not _TYPE.fullmatch(text.lower()) or text.lower().startswith(("multipart/", "message/")):
        raise ValueError("expected a media type such as application/pdf")
    return text.lower()


class Attachment(BaseModel):
    """A file that goes along."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check_line)]
    content: Annotated[str, Field(description="base64"), AfterValidator(_base64)]
    type: Annotated[str, AfterValidator(_media_type)] = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent, to whom."""

    sender: str
    to: list[str]
    cc: list[str]
    bcc: list[str]
    reply_to: str | None
    subject: str
    body: str | None
    html: str | None
    headers: dict[str, str]
    attachments: list[Attachment]

    @property
    def recipients(self) -> list[str]:
        """Everyone's address, each once."""
        return list(dict.fromkeys(address_of(text).addr_spec for text in (*self.to, *self.cc, *self.bcc)))

    @property
    def international(self) -> bool:
        """Whether some address needs a server that takes more than ASCII."""
        return not all(a.isascii() for a in (*self.recipients, address_of(self.sender).addr_spec))

    def message(self, message_id: str) -> bytes:
        """The message as it goes over the wire."""
        policy = SMTP.clone(cte_type="7bit", utf8=self.international)
        message = EmailMessage(policy=policy)
        message["From"] = address_of(self.sender)
        message["To"] = [address_of(text) for text in self.to]
        if self.cc:
            message["Cc"] = [address_of(text) for text in self.cc]
        if self.reply_to:
            message["Reply-To"] = address_of(self.reply_to)
        message["Subject"] = self.subject
        message["Date"] = formatdate()
        message["Message-ID"] = message_id
        for name, value in self.headers.items():
            message[name] = value
        if self.html is None or self.body is not None:
            message.set_content(self.body or "")
            if self.html is not None:
                message.add_alternative(self.html, subtype="html")
        else:
            message.set_content(self.html, subtype="html")
        for attachment in self.attachments:
            kind, _, subtype = attachment.type.partition("/")
            content = base64.b64decode("".join(attachment.content.split()))
            message.add_attachment(content, maintype=kind, subtype=subtype, filename=attachment.filename)
        return message.as_bytes()
