"""`ethereum:check_balance` against a JSON-RPC server on loopback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexq import JobState, Nexq
from nexq.errors import ConfigError, InvalidPayload
from nexq.modules import find
from nexq.modules.ethereum import checksummed, ether
from tests.modules.conftest import Request, outcome, quick, site

TYPE = "ethereum:check_balance"
#: From EIP-55 itself.
ADDRESSES = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]
ADDRESS = ADDRESSES[4]
WEI = 123456789012345678901234567


def node(**answers: Any) -> Any:
    """A node: method -> result, or a whole answer in bytes."""
    known = {"eth_blockNumber": "0x10d4f", "eth_getBalance": hex(WEI), **answers}

    def respond(request: Request) -> tuple[int, dict[str, str], bytes]:
        call = json.loads(request.body)
        result = known[call["method"]]
        if isinstance(result, tuple):
            return result
        answer = {"jsonrpc": "2.0", "id": call["id"]}
        answer |= result if isinstance(result, dict) else {"result": result}
        return 200, {"content-type": "application/json"}, json.dumps(answer).encode()

    return respond


@pytest.mark.parametrize("address", ADDRESSES)
def test_checksums_are_those_of_the_standard(address: str) -> None:
    assert checksummed(address.lower()) == address


@pytest.mark.parametrize(
    ("wei", "text"),
    [(0, "0"), (1, "0.000000000000000001"), (10**18, "1"), (15 * 10**17, "1.5"), (WEI, "123456789.012345678901234567")],
)
def test_ether_is_exact(wei: int, text: str) -> None:
    assert ether(wei) == text


@pytest.mark.parametrize("address", [ADDRESS, ADDRESS.lower(), "0x" + ADDRESS[2:].upper()])
async def test_a_balance(app: Nexq, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    async with site(node()) as there:
        monkeypatch.setenv("NEXQ_ETHEREUM_RPC_URL", there.url("/v3/key"))
        job = await outcome(app, TYPE, {"address": address})
        assert job.state is JobState.COMPLETED, job.last_error
        assert json.loads(job.result or b"") == {
            "address": ADDRESS,
            "wei": str(WEI),
            "ether": "123456789.012345678901234567",
            "block": 0x10D4F,
        }
        calls = [json.loads(request.body) for request in there.got]
        assert [(c["method"], c["params"]) for c in calls] == [
            ("eth_blockNumber", []),
            ("eth_getBalance", [ADDRESS.lower(), "0x10d4f"]),
        ]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({"address": ADDRESS[:-1] + "D"}, "EIP-55"),
        ({"address": ADDRESS.replace("b6", "B6")}, "EIP-55"),
        ({"address": ADDRESS[:-1]}, "40 hexadecimal digits"),
        ({"address": ADDRESS[2:]}, "0x and 40"),
        ({"address": "0X" + ADDRESS[2:]}, "0x and 40"),
        ({"address": "vitalik.eth"}, "0x and 40"),
        ({"address": ADDRESS + "\n"}, "0x and 40"),
        ({"address": 12}, "valid string"),
        ({}, "Field required"),
        ({"address": ADDRESS, "block": "latest"}, "/block"),
    ],
)
async def test_bad_addresses_are_refused(app: Nexq, payload: Any, said: str) -> None:
    with pytest.raises(InvalidPayload, match=said):
        await app.enqueue(TYPE, payload)


def error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


@pytest.mark.parametrize(
    ("answer", "tries", "said"),
    [
        (error(-32005, "limit exceeded"), 3, "limit exceeded (code -32005)"),
        (error(-32603, "internal"), 3, "internal"),
        (error(-32602, "bad params"), 1, "bad params"),
        (error(-32601, "no such method"), 1, "no such method"),
        ((429, {}, b""), 3, "status 429"),
        ((503, {}, b"<html>"), 3, "status 503"),
        ((401, {}, b"no key"), 1, "status 401"),
        ((200, {}, b"<html>hello</html>"), 3, "not JSON-RPC: <html>hello</html>"),
        ((200, {}, b'{"jsonrpc":"2.0","id":99,"result":"0x1"}'), 3, "not JSON-RPC"),
        ((200, {}, b"[]"), 3, "not JSON-RPC"),
        ("12", 3, "not a number such as 0x1a: '12'"),
        (None, 3, "not a number such as 0x1a"),
        ("0x" + "f" * 65, 3, "not a number"),
    ],
)
async def test_errors_become_retries_or_dead_letters(
    app: Nexq, monkeypatch: pytest.MonkeyPatch, answer: Any, tries: int, said: str
) -> None:
    async with site(node(eth_getBalance=answer)) as there, quick(app, TYPE):
        monkeypatch.setenv("NEXQ_ETHEREUM_RPC_URL", there.url("/key-s3cret"))
        job = await outcome(app, TYPE, ADDRESS, max_attempts=3)
        assert (job.state, len(job.attempts)) == (JobState.DEAD, tries), job.attempts
        assert said in job.last_error and "s3cret" not in job.last_error


async def test_a_node_that_is_not_there_or_never_answers(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await outcome(app, TYPE, ADDRESS, max_attempts=5)
    assert "NEXQ_ETHEREUM_RPC_URL=https://" in job.last_error and len(job.attempts) == 1
    monkeypatch.setenv("NEXQ_ETHEREUM_TIMEOUT", "0.2")
    monkeypatch.setenv("NEXQ_ETHEREUM_RPC_URL", "http://127.0.0.1:1/s3cret")
    job = await outcome(app, TYPE, ADDRESS)
    assert job.last_error == "EthereumFailed: The node cannot be reached: ConnectError."
    async with site(lambda r: None) as there:
        monkeypatch.setenv("NEXQ_ETHEREUM_RPC_URL", there.url())
        job = await outcome(app, TYPE, ADDRESS)
        assert "no whole answer within 0.2 s" in job.last_error
    async with site(endless=True) as there:
        monkeypatch.setenv("NEXQ_ETHEREUM_TIMEOUT", "20")
        monkeypatch.setenv("NEXQ_ETHEREUM_RPC_URL", there.url())
        assert "longer than" in (await outcome(app, TYPE, ADDRESS)).last_error


def test_a_wrong_url_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_ETHEREUM_RPC_URL", "ws://node.example/s3cret")
    found = find("ethereum")
    assert found is not None and found.module is not None
    with pytest.raises(ConfigError, match="NEXQ_ETHEREUM_RPC_URL") as wrong:
        found.module.status()
    assert "s3cret" not in str(wrong.value)
