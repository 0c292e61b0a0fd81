"""What no HTTP client would send, over raw sockets: no 5xx, no traceback, no hang, and the server goes on."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterable

import pytest

from tests.web.conftest import Served

pytestmark = pytest.mark.usefixtures("no_errors")
BODY = b'{"type": "echo"}'
#: A whole answer, or the end of the connection, must come within this long.
PATIENCE_S = 10.0
#: A server that says nothing for this long waits for more.
QUIET_S = 0.3
#: Not a header: the connection stays open.
KEEP = b"(keep)"


def head(*lines: bytes, method: bytes = b"POST", target: bytes = b"/api/jobs", version: bytes = b"HTTP/1.1") -> bytes:
    close = () if any(line.startswith((b"Connection", KEEP)) for line in lines) else (b"Connection: close",)
    fields = (b"Host: 127.0.0.1", b"Content-Type: application/json", *close, *(line for line in lines if line != KEEP))
    return method + b" " + target + b" " + version + b"\r\n" + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


def length(n: int | str) -> bytes:
    return f"Content-Length: {n}".encode()


CHUNKED = b"Transfer-Encoding: chunked"
ONE_CHUNK = b"10\r\n" + BODY + b"\r\n0\r\n\r\n"

CASES: dict[str, bytes] = {
    "length and chunked": head(length(16), CHUNKED) + ONE_CHUNK,
    "chunked and length": head(CHUNKED, length(3)) + ONE_CHUNK,
    "two lengths that differ": head(length(16), length(5)) + BODY,
    "two lengths alike": head(length(16), length(16)) + BODY,
    "lengths in one field": head(length("16, 5")) + BODY,
    "negative length": head(length(-1)) + BODY,
    "length with plus": head(length("+16")) + BODY,
    "length in hex": head(length("0x10")) + BODY,
    "length not ascii": head(b"Content-Length: \xb2") + BODY,
    "length of many digits": head(length("9" * 400)) + BODY,
    "empty length": head(b"Content-Length:") + BODY,
    "length with underscore": head(length("1_6")) + BODY,
    "te chunked twice": head(CHUNKED, CHUNKED) + ONE_CHUNK,
    "te chunked, identity": head(b"Transfer-Encoding: chunked, identity") + ONE_CHUNK,
    "te xchunked": head(b"Transfer-Encoding: xchunked") + ONE_CHUNK,
    "te with tab": head(b"Transfer-Encoding:\tchunked") + ONE_CHUNK,
    "te with space before colon": head(b"Transfer-Encoding : chunked") + ONE_CHUNK,
    "te folded": head(b"Transfer-Encoding:\r\n chunked") + ONE_CHUNK,
    "te in capitals": head(b"TRANSFER-ENCODING: CHUNKED") + ONE_CHUNK,
    "te quoted": head(b'Transfer-Encoding: "chunked"') + ONE_CHUNK,
    "te with NUL": head(b"Transfer-Encoding: chunked\x00") + ONE_CHUNK,
    "te gzip": head(b"Transfer-Encoding: gzip") + BODY,
    "bare LF": head(length(16)).replace(b"\r\n", b"\n") + BODY,
    "bare CR": head(length(16)).replace(b"\r\n", b"\r") + BODY,
    "obs-fold": head(b"X-Long: a\r\n b", length(16)) + BODY,
    "NUL in a header": head(b"X-Nul: a\x00b", length(16)) + BODY,
    "NUL in a name": head(b"X\x00Y: a", length(16)) + BODY,
    "CR in a header": head(b"X: a\rb", length(16)) + BODY,
    "no colon": head(b"nonsense", length(16)) + BODY,
    "space in a name": head(b"X Y: a", length(16)) + BODY,
    "empty name": head(b": a", length(16)) + BODY,
    "high bytes in a header": head(b"X: " + bytes(range(128, 256)), length(16)) + BODY,
    "a header of 64 kB": head(b"X: " + b"a" * 65_536, length(16)) + BODY,
    "a header of 1 MB": head(b"X: " + b"a" * 1_048_576, length(16)) + BODY,
    "10,000 headers": head(*(b"X-%d: a" % n for n in range(10_000)), length(16)) + BODY,
    "two hosts": head(b"Host: other", length(16)) + BODY,
    "no host": b"GET /api/stats HTTP/1.1\r\n\r\n",
    "a strange host": b"GET /api/stats HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "a strange origin": head(b"Origin: http://[", length(16)) + BODY,
    "an origin of high bytes": head(b"Origin: \xff\xfe", length(16)) + BODY,
    "a strange cookie": head(b'Cookie: ="; \xff=\x01;;;=', length(16)) + BODY,
    "strange authorization": head(b"Authorization: Bearer \xff\xff", length(16)) + BODY,
    "a strange key": head(b"Idempotency-Key: \xe9\xff", length(16)) + BODY,
    "strange media type": head(length(16)).replace(b"application/json", b"\xff/\xfe;=;") + BODY,
    "a strange preference": head(b"Prefer: wait=99999999999999999999, wait=-1, wait=\xb2", length(16)) + BODY,
    "chunk size overflow": head(CHUNKED) + b"FFFFFFFFFFFFFFFFF\r\n" + BODY,
    "chunk size of many zeros": head(CHUNKED) + b"0" * 5000 + b"10\r\n" + BODY + b"\r\n0\r\n\r\n",
    "negative chunk size": head(CHUNKED) + b"-10\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk size 0x": head(CHUNKED) + b"0x10\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk extension": head(CHUNKED) + b'10;a="b";c\r\n' + BODY + b"\r\n0\r\n\r\n",
    "a long chunk extension": head(CHUNKED) + b"10;" + b"a" * 200_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunk without its end": head(CHUNKED) + b"10\r\n" + BODY + b"XX0\r\n\r\n",
    "trailers": head(CHUNKED) + b"10\r\n" + BODY + b"\r\n0\r\nX-Trailer: a\r\nContent-Length: 5\r\n\r\n",
    "600 MB declared": head(length(600 * 1024 * 1024)) + b"{",
    "600 MB in one chunk": head(CHUNKED) + b"25800000\r\n" + b" " * 2_000_000,
    "expect 100": head(length(16), b"Expect: 100-continue") + BODY,
    "expect something else": head(length(16), b"Expect: 200-ok") + BODY,
    "600 MB expected": head(length(600 * 1024 * 1024), b"Expect: 100-continue"),
    "trailing garbage": head(KEEP, length(16)) + BODY + b"\x00\xff garbage\r\n\r\n",
    "two requests in one body": head(KEEP, length(16)) + BODY + head(length(16)) + BODY,
    "a gzip body": head(length(20), b"Content-Encoding: gzip") + b"\x1f\x8b" + b"\x00" * 18,
    "TRACE": head(method=b"TRACE"),
    "CONNECT": head(method=b"CONNECT", target=b"example.com:443"),
    "PRI": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "OPTIONS *": head(method=b"OPTIONS", target=b"*"),
    "a made-up method": head(length(16), method=b"MAKE") + BODY,
    "a method in small letters": head(length(16), method=b"post") + BODY,
    "a long method": head(length(16), method=b"P" * 5000) + BODY,
    "no method": b" /api/jobs HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET with a body": head(length(16), method=b"GET") + BODY,
    "absolute form": head(method=b"GET", target=b"http://other.example/api/stats"),
    "a target of high bytes": head(method=b"GET", target=b"/api/jobs/\xff\xfe"),
    "a target with NUL": head(method=b"GET", target=b"/api/jobs/\x00"),
    "a quoted NUL": head(method=b"GET", target=b"/api/jobs/%00"),
    "bad quoting": head(method=b"GET", target=b"/api/jobs/%zz%f"),
    "quoted invalid utf-8": head(method=b"GET", target=b"/api/jobs/%ff%fe?q=%ff&state=%ed%a0%80"),
    "quoted line ends": head(method=b"GET", target=b"/api/jobs/%0d%0aX-Evil:%201"),
    "dots": head(method=b"GET", target=b"/docs/../../../../etc/passwd"),
    "quoted dots": head(method=b"GET", target=b"/docs/%2e%2e%2f%2e%2e%2fetc/passwd"),
    "a target of 60 kB": head(method=b"GET", target=b"/api/jobs?q=" + b"a" * 60_000),
    "10,000 parameters": head(method=b"GET", target=b"/api/jobs?" + b"&".join(b"a%d=1" % n for n in range(5000))),
    "no target": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /api/stats\r\n\r\n",
    "HTTP/1.0": head(method=b"GET", target=b"/api/stats", version=b"HTTP/1.0"),
    "HTTP/1.0 kept alive": head(b"Connection: keep-alive", method=b"GET", target=b"/docs", version=b"HTTP/1.0"),
    "HTTP/2.0": head(method=b"GET", version=b"HTTP/2.0"),
    "HTTP/9.9": head(method=b"GET", version=b"HTTP/9.9"),
    "upgrade": head(b"Connection: Upgrade", b"Upgrade: websocket", method=b"GET", target=b"/api/stats"),
    "websocket": head(
        *(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        method=b"GET",
        target=b"/api/events",
    ),
    "h2c": head(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AA", method=b"GET"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "RESP": b"*1\r\n$8\r\nFLUSHALL\r\n",
    "zeros": bytes(10_000),
    "line ends": b"\r\n" * 10_000,
    "nothing": b"",
}


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S)


def hear(connection: socket.socket, heard: bytearray | None = None) -> bytes:
    """All that comes until the other side ends the connection. Raises TimeoutError."""
    heard = bytearray() if heard is None else heard
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65_536):
            heard += data
    return bytes(heard)


def exchange(served: Served, pieces: Iterable[bytes]) -> bytes:
    with connect(served) as connection:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        connection.settimeout(QUIET_S)
        heard = bytearray()
        with contextlib.suppress(TimeoutError):
            return hear(connection, heard)
        # It waits for more, which does not come.
        connection.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return hear(connection, heard)


def statuses(heard: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d\d\d) ", heard)]


def check_alive(served: Served) -> None:
    assert served.client.get("/api/stats").status_code == 200


@pytest.mark.parametrize("name", CASES)
def test_hostile_requests(served: Served, name: str) -> None:
    heard = exchange(served, [CASES[name]])
    assert all(status < 500 for status in statuses(heard)), heard[:500]
    assert b"Traceback" not in heard and b"\nX-Evil" not in heard and b"root:" not in heard
    if "600 MB" in name:
        assert statuses(heard) in ([413], []), heard[:300]
    check_alive(served)


def test_a_request_is_not_smuggled(served: Served) -> None:
    """Where length and chunks disagree, what comes after is never answered as a request of its own."""
    inner = head(method=b"DELETE", target=b"/api/jobs/smuggled")
    for fields in ((length(16), CHUNKED), (CHUNKED, length(4)), (length(4), length(4 + len(inner)))):
        heard = exchange(served, [head(KEEP, *fields) + b"0\r\n\r\n" + inner])
        assert len(statuses(heard)) <= 1, heard


@pytest.mark.parametrize("name", ["length", "chunked", "headers", "bare"])
def test_truncated_requests(served: Served, name: str) -> None:
    cut = {
        "length": head(length(16)) + BODY[:7],
        "chunked": head(CHUNKED) + b"10\r\n" + BODY[:7],
        "headers": head(length(16))[:-2],
        "bare": b"POST /api",
    }[name]
    heard = exchange(served, [cut])
    assert all(400 <= status < 500 for status in statuses(heard)), heard
    check_alive(served)


def test_a_thousand_pipelined_requests(served: Served) -> None:
    one = head(KEEP, method=b"GET", target=b"/api/jobs/nobody?queue=mail")
    last = head(method=b"GET", target=b"/api/jobs/nobody?queue=mail")
    with connect(served) as connection:
        # Written beside the reading: the server stops reading while its answers are not read.
        writer = threading.Thread(target=connection.sendall, args=(one * 999 + last,))
        writer.start()
        heard = hear(connection)
        writer.join(PATIENCE_S)
    assert statuses(heard) == [404] * 1000


def test_a_body_byte_by_byte(served: Served) -> None:
    pieces = [head(length(16)), *(BODY[i : i + 1] for i in range(16))]
    assert statuses(exchange(served, pieces)) == [202]


def test_many_slow_senders_keep_nobody_waiting(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(served)) for _ in range(200)]
        for n, connection in enumerate(slow):
            connection.sendall(head(length(16))[: 20 + n % 60] if n % 2 else head(length(16)) + BODY[: n % 16])
        started = time.monotonic()
        check_alive(served)
        assert time.monotonic() - started < 5
    check_alive(served)


def test_a_reader_that_does_not_read(served: Served) -> None:
    with connect(served) as connection:
        connection.setblocking(False)
        one = head(KEEP, method=b"GET", target=b"/docs/docs.js")
        with contextlib.suppress(BlockingIOError, ConnectionError):
            for _ in range(2000):
                connection.send(one)
        check_alive(served)


def test_a_connection_reset_in_the_middle(served: Served) -> None:
    import struct

    for cut in (b"", head(length(16))[:30], head(length(16)) + BODY[:5], head(length(16)) + BODY):
        connection = connect(served)
        connection.sendall(cut)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    check_alive(served)
