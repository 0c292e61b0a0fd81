"""Signatures: as the Standard Webhooks compute them, with several keys, and nothing else counts."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from nexq.webhooks import BadSignature, verify
from nexq.webhooks.sign import new_secret, sign

#: The example of the specification's own reference implementations.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(**changed: str) -> dict[str, str]:
    return sign(ID, AT, BODY, [SECRET]) | {f"webhook-{name}": value for name, value in changed.items()}


def test_the_signature_is_that_of_the_specification() -> None:
    assert sign(ID, AT, BODY, [SECRET]) == {
        "webhook-id": ID,
        "webhook-timestamp": str(AT),
        "webhook-signature": SIGNATURE,
    }


def test_a_secret_is_random_and_of_the_usual_form() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one[6:], validate=True)) == 32


def test_it_is_verified_whatever_the_case_of_the_headers() -> None:
    verify(headers(), BODY, SECRET, now=AT)
    verify({name.title(): value for name, value in headers().items()}, BODY, [SECRET], now=AT + 299)


def test_each_key_signs_and_any_of_the_receivers_will_do() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()
    both = sign(ID, AT, BODY, [new, old])
    assert len(both["webhook-signature"].split(" ")) == 2
    for known in (old, new, [other, old], [new, other]):
        verify(both, BODY, known, now=AT)
    with pytest.raises(BadSignature):
        verify(both, BODY, other, now=AT)
    verify(sign(ID, AT, BODY, [new]), BODY, [old, new], now=AT)


def test_every_flipped_bit_is_noticed() -> None:
    for place in range(len(BODY) * 8):
        body = bytearray(BODY)
        body[place // 8] ^= 1 << place % 8
        with pytest.raises(BadSignature):
            verify(headers(), bytes(body), SECRET, now=AT)
    raw = base64.b64decode(SIGNATURE[3:])
    for place in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(BadSignature):
            verify(headers(signature="v1," + base64.b64encode(flipped).decode()), BODY, SECRET, now=AT)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ID + "x"},
        {"timestamp": str(AT + 1)},
        {"timestamp": ""},
        {"timestamp": "-1614265330"},
        {"timestamp": "1614265330.0"},
        {"timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"timestamp": "9" * 5000},
        {"signature": ""},
        {"signature": SIGNATURE[3:]},
        {"signature": SIGNATURE.replace("v1", "v2")},
        {"signature": "v1,"},
        {"signature": "v1,ä"},
        {"signature": SIGNATURE[:-4]},
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify(headers(**changed), BODY, SECRET, now=AT)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(BadSignature, match=name):
        verify({k: v for k, v in headers().items() if k != name}, BODY, SECRET, now=AT)


@pytest.mark.parametrize("apart", [-301, 301, 10**9])
def test_an_old_message_and_one_of_the_future_are_refused(apart: int) -> None:
    with pytest.raises(BadSignature, match="clock"):
        verify(headers(), BODY, SECRET, now=AT + apart)


def test_a_secret_that_is_none_is_an_error_of_the_receivers() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        verify(headers(), BODY, "whsec_not base64!", now=AT)


def independent(secret: str, headers: dict[str, str], body: bytes) -> str:
    """The signature, computed from the specification's words alone."""
    content = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    key = base64.b64decode(secret.split("_", 1)[1])
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def test_the_independent_computation_agrees() -> None:
    assert independent(SECRET, headers(), BODY) == SIGNATURE
