"""`ethereum:check_balance`: what an address holds, from an Ethereum node over JSON-RPC."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator

from nexq.app import Module
from nexq.config import setting
from nexq.depends import Depends
from nexq.errors import ConfigError
from nexq.modules.checks import bounded
from nexq.modules.failures import EthereumFailed
from nexq.retry import Retry

TIMEOUT_S = 20.0
WEI = 10**18
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")


def checksummed(address: str) -> str:
    """The address with its checksum in the case of its letters (EIP-55)."""
    # Imported where it is needed: it is large.
    from Crypto.Hash import keccak

    digits = address[2:].lower()
    digest = keccak.new(digest_bits=256, data=digits.encode()).hexdigest()
    return "0x" + "".join(c.upper() if int(h, 16) >= 8 else c for c, h in zip(digits, digest, strict=False))


def check_address(text: str) -> str:
    """An address. Raises ValueError for one that is none, or whose checksum is wrong."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("expected an Ethereum address: 0x and 40 hexadecimal digits")
    letters = text[2:]
    # One case throughout says nothing of a checksum.
    if letters not in (letters.lower(), letters.upper()) and text != checksummed(text):
        raise ValueError("its checksum is wrong (EIP-55): a digit, or the case of a letter, was changed")
    return text


def ether(wei: int) -> str:
    """Wei as ether, exact: 1500000000000000000 -> '1.5'."""
    whole, rest = divmod(wei, WEI)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".")


def rpc_url() -> str:
    """Where the node is, '' for nowhere. Raises ConfigError, which does not show it: it may hold a key."""
    url = setting("ethereum_rpc_url", None, "")
    if url and not re.match(r"https?://[^/\s]+", url):
        raise ConfigError("NEXQ_ETHEREUM_RPC_URL: expected a URL that begins with http:// or https://.")
    return url


class Node(Protocol):
    """A node (nexq.modules.ethereum_node.RpcNode)."""

    async def call(self, method: str, *params: str) -> Any:
        """The result of a call. Raises EthereumFailed."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


async def make_node() -> AsyncIterator[Node | None]:
    """The worker's node, None where no URL is set."""
    url = rpc_url()
    if not url:
        yield None
        return
    # Imported where it is needed: a worker without such jobs starts faster.
    from nexq.modules.ethereum_node import RpcNode

    node = RpcNode(url)
    try:
        yield node
    finally:
        await node.aclose()


def timeout_s() -> float:
    """For the whole of a job. Raises ConfigError."""
    return float(bounded("ethereum_timeout", TIMEOUT_S, 0.1, 3600.0))


def _status() -> str:
    timeout_s()
    return "" if rpc_url() else "not usable until NEXQ_ETHEREUM_RPC_URL names a node"


module = Module("ethereum", about="Reads from an Ethereum node.", status=_status)


@module.handler("check_balance", retry=Retry(max_attempts=5, base=2.0, factor=3.0, cap=600.0))
async def check_balance(
    address: Annotated[str, AfterValidator(check_address)],
    *,
    node: Node | None = Depends(make_node, scope="worker"),
) -> dict[str, Any]:
    """The balance of an address now: wei as an exact string, ether as a decimal string, and the block it is of.

    Asked of the node at NEXQ_ETHEREUM_RPC_URL; see docs/modules.md.
    """
    if node is None:
        raise EthereumFailed(
            "No Ethereum node is set: start the worker with NEXQ_ETHEREUM_RPC_URL=https://…, the JSON-RPC URL of one.",
            retry=False,
        )
    limit_s = timeout_s()
    try:
        async with asyncio.timeout(limit_s):
            block = _quantity(await node.call("eth_blockNumber"), "eth_blockNumber")
            wei = _quantity(await node.call("eth_getBalance", address.lower(), hex(block)), "eth_getBalance")
    except TimeoutError:
        raise EthereumFailed(f"The node gave no whole answer within {limit_s:g} s.") from None
    return {"address": checksummed(address), "wei": str(wei), "ether": ether(wei), "block": block}


def _quantity(value: Any, method: str) -> int:
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise EthereumFailed(f"The node's answer to {method} is not a number such as 0x1a: {str(value)[:80]!r}.")
    return int(value, 16)
