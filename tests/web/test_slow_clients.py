"""Clients that take their time: a request's head and its body have deadlines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nexq.app import Nexq
from nexq.web import call
from nexq.web.asgi import create_asgi
from nexq.web.slow import http_protocol, with_deadline
from tests.support.waiting import until

PATIENCE_S = 5.0
GET = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(head_s: float, protocol: type[asyncio.Protocol] = H11Protocol) -> AsyncIterator[Connection]:
    """A connection to a server whose clients have head_s for a request's head."""
    listening = socket.create_server(("127.0.0.1", 0))
    site = create_asgi(Nexq("memory://"))
    config = uvicorn.Config(site, http=with_deadline(protocol, head_s), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listening]))
    await until(lambda: server.started, PATIENCE_S, "the server to listen")
    reader, writer = await asyncio.open_connection(*listening.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()
        server.should_exit = True
        await task


async def rest(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.read()


@pytest.mark.parametrize("begin", [b"", GET[:20]])
async def test_a_head_that_does_not_come_ends_the_connection(begin: bytes) -> None:
    async with connected(0.1) as (reader, writer):
        writer.write(begin)
        assert await rest(reader) == b""


async def test_so_does_the_head_of_a_later_request() -> None:
    async with connected(0.3) as (reader, writer):
        writer.write(GET)
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(GET[:20])
        assert b"HTTP/1.1" not in await rest(reader)


async def test_a_body_that_does_not_come_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "BODY_S", 0.1)
    async with connected(5.0) as (reader, writer):
        fields = b"Host: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
        writer.write(b"POST /api/jobs HTTP/1.1\r\n" + fields + b'{"type"')
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 408") and b"slow-body" in answer


def test_the_server_uses_a_protocol_with_deadlines() -> None:
    assert http_protocol().__name__ == "Deadline"


@pytest.mark.parametrize("protocol", [H11Protocol, HttpToolsProtocol])
async def test_a_body_that_has_come_whole_is_read_without_a_clock(
    protocol: type[asyncio.Protocol], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual case rests on what uvicorn keeps of a request: noticed here, should that change."""
    monkeypatch.delattr(call.Call, "_slow_body")
    async with connected(5.0, protocol) as (reader, writer):
        fields = b"Host: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 12\r\n\r\n"
        writer.write(b"POST /api/jobs HTTP/1.1\r\n" + fields + b'{"type":"t"}')
        assert (await rest(reader)).startswith(b"HTTP/1.1 202")
