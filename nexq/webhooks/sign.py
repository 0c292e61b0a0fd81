"""Signatures of the Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, one per key.

Needs only the standard library, so that a receiver may copy it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Mapping

from nexq.errors import NexqError

PREFIX = "whsec_"
#: A message whose timestamp is further from the receiver's clock is refused: it may be a replay.
TOLERANCE_S = 300.0


class BadSignature(NexqError):
    """The message is not from who knows the secret, or it is too old."""


def new_secret() -> str:
    """A new secret: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(id: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The headers of a message, signed with each of the secrets. Raises ValueError for what is no secret."""
    signatures = [base64.b64encode(_mac(id, str(timestamp), body, secret)).decode() for secret in secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: str | Iterable[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> None:
    """Check a received message: `body` as it came, byte by byte. Raises BadSignature.

    secrets  the receiver's secret, or several while they are changed: one has to fit one of the signatures
    now      Unix time in seconds; the clock's when left out
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        id, timestamp = named["webhook-id"], named["webhook-timestamp"]
        given = named["webhook-signature"].split(" ")
    except KeyError as missing:
        raise BadSignature(f"The header {missing.args[0]} is missing.") from None
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        raise BadSignature("The timestamp is not a number of seconds.")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance_s:
        raise BadSignature("The timestamp is too far from this clock: the message may be a replay.")
    wanted = [_mac(id, timestamp, body, s) for s in ([secrets] if isinstance(secrets, str) else secrets)]
    fits = False
    for signature in given:
        version, _, text = signature.partition(",")
        # All are compared, whichever fits: the time taken says nothing.
        for mac in wanted:
            fits |= version == "v1" and hmac.compare_digest(_decoded(text), mac)
    if not fits:
        raise BadSignature("No signature fits the secret.")


def _mac(id: str, timestamp: str, body: bytes, secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Expected a secret of the form whsec_<base64>.") from None
    return hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
