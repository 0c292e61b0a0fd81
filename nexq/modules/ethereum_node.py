"""An Ethereum node, asked over JSON-RPC."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import orjson

from nexq import __version__
from nexq.modules.checks import after_s, excerpt
from nexq.modules.failures import EthereumFailed

MOST_ANSWER = 1 << 20
#: Errors of JSON-RPC that stay: not JSON, not a request, no such method, wrong parameters.
_STAY = frozenset({-32700, -32600, -32601, -32602})
_STAY_STATUS = frozenset({400, 401, 403, 404, 405, 410, 413, 415})


class RpcNode:
    """A node at a URL, which may hold a key and is never shown."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ids = itertools.count(1)
        # The whole of a job has its own timeout.
        self._client = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=60.0, headers={"user-agent": f"nexq/{__version__}"}
        )

    async def call(self, method: str, *params: str) -> Any:
        """The result of a call. Raises EthereumFailed, which says whether another try may help."""
        id = next(self._ids)
        request = {"jsonrpc": "2.0", "id": id, "method": method, "params": list(params)}
        try:
            async with self._client.stream("POST", self._url, json=request) as response:
                raw = bytearray()
                async for part in response.aiter_bytes():
                    raw += part
                    if len(raw) > MOST_ANSWER:
                        raise EthereumFailed(f"The node's answer to {method} is longer than {MOST_ANSWER:,} bytes.")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Not its text: httpx puts the URL into some.
            raise EthereumFailed(f"The node cannot be reached: {type(error).__name__}.") from None
        after = after_s(response.headers.get("retry-after"))
        try:
            answer = orjson.loads(bytes(raw))
        except orjson.JSONDecodeError:
            answer = None
        refused = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(refused, dict):
            code = refused.get("code")
            said = excerpt(str(refused.get("message", "")))
            text = f"The node refused {method}: {said} (code {code})."
            raise EthereumFailed(text, retry=code not in _STAY, after=after)
        if response.status_code != 200:
            raise EthereumFailed(
                f"The node answered {method} with status {response.status_code}.",
                retry=response.status_code not in _STAY_STATUS,
                after=after,
            )
        if not isinstance(answer, dict) or answer.get("id") != id or "result" not in answer:
            said = excerpt(raw.decode(errors="replace"), 80)
            raise EthereumFailed(f"The node's answer to {method} is not JSON-RPC: {said}")
        return answer["result"]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
