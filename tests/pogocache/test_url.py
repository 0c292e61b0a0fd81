"""URLs: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexq.backends import connect
from nexq.backends.pogocache import PogocacheBackend
from nexq.backends.pogocache.url import parse
from nexq.errors import ConfigError


def test_what_is_left_out_has_a_default() -> None:
    target = parse("pogocache://")
    assert (target.host, target.port, target.log, target.password, target.tls) == ("localhost", 9401, "nexq", "", False)
    assert parse("pogocache://10.0.0.1").shown == "pogocache://10.0.0.1:9401/nexq"


def test_everything_given() -> None:
    target = parse("pogocaches://:p%40ss@cache.example:9402/mail?maxmemory=unlimited&budget_mb=10&poll_ms=50")
    assert (target.host, target.port, target.log, target.password, target.tls) == (
        "cache.example",
        9402,
        "mail",
        "p@ss",
        True,
    )
    assert (target.options.maxmemory, target.options.budget_mb, target.options.poll_ms) == ("unlimited", 10, 50.0)


def test_a_socket() -> None:
    target = parse("pogocache+unix://:pw@/run/pogocache.sock?name=mail")
    assert (target.socket, target.log, target.password) == ("/run/pogocache.sock", "mail", "pw")
    assert target.shown == "pogocache+unix://:***@/run/pogocache.sock?name=mail"


def test_ipv6() -> None:
    assert parse("pogocache://[::1]:9401/x").shown == "pogocache://[::1]:9401/x"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("pogocache://user:pw@h", "no users"),
        ("pogocache://h:port", "cannot be read"),
        ("pogocache://h:70000", "cannot be read"),
        ("pogocache://h/a/b", "has a '/'"),
        ("pogocache://h/a b", "cannot be used"),
        ("pogocache://h/{x}", "cannot be used"),
        ("pogocache://h/a?nonsense=1", "unknown option 'nonsense'"),
        ("pogocache://h/a?budget_mb=many", "expected a number"),
        ("pogocache://h/a?budget_mb=-1", "0 (no limit) or more"),
        ("pogocache://h/a?maxmemory=64mb", "--maxmemory unlimited"),
        ("pogocache://h/a?poll_ms=0.1", "busy_poll_ms <= poll_ms"),
        ("pogocache://h/a?poll_ms=nan", "busy_poll_ms <= poll_ms"),
        ("pogocache://h/a?lost=all", "lost=accept"),
        ("pogocache://h/a?name=b", "stands in the path"),
        ("pogocache://h/a?journal=/nowhere/at/all/journal", "make it first"),
        ("pogocache://:a#b@h", "%23"),
        ("pogocache+unix://host/run/x.sock", "no host"),
        ("pogocache+unix://", "needs its path"),
    ],
)
def test_what_cannot_be_used(url: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        connect(url)
    assert says in str(raised.value)


def test_no_message_shows_the_password(tmp_path: Path) -> None:
    backend = PogocacheBackend("pogocache://:sesame@127.0.0.1:1/x")
    assert "sesame" not in backend.url + repr(parse("pogocache://:sesame@127.0.0.1:1/x"))
    for url in ("pogocache://:sesame@h:port", "pogocache://:sesame@h/a/b", "pogocache://:sesame@h?x=1"):
        with pytest.raises(ConfigError) as raised:
            connect(url)
        assert "sesame" not in str(raised.value)


def test_certificates_that_cannot_be_read() -> None:
    with pytest.raises(ConfigError, match="certificates cannot be used"):
        parse("pogocaches://h?ssl_ca_certs=/nowhere/ca.pem").context()
