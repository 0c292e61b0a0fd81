"""The guard: what may be called and what may not, and that nobody is called who may not."""

from __future__ import annotations

import pytest

from nexq.errors import ConfigError
from nexq.outbound.guard import Guard, NotAllowed, Unresolved, is_public, parse_url
from nexq.webhooks.send import Sender, SendFailed
from tests.webhooks.conftest import Canary, Receiver

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:80e::200e"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700:4700::1111%1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]

#: Ways to write the place of a server on this machine; {port} is the canary's.
BAD_URLS = [
    "http://127.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.0.0.0x1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "http://localhost.:{port}/",
    "http://localhost..:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[0:0:0:0:0:ffff:7f00:1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[fe80::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://user@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.com/",
    "http://example.com:80@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.com/",
    "http://example.com\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/ ",
    "ht\ntp://127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://ⓛocalhost:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%2f:{port}/",
    "http://127.0.0.1#@example.com:{port}/",
    "http://127.0.0.1:{port}:80/",
    "http://127.0.0.1:+{port}/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:0/",
    "http:///",
    "http://",
    "http://:{port}/",
    "http://[]:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://-a.example:{port}/",
    "http://a..b:{port}/",
    "https://127.0.0.1:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "unix:///tmp/socket",
    "javascript:1",
    "",
]


class Names:
    """A resolver that answers as it is told, a list of addresses after the other, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(NotAllowed, match="public"):
        await Guard(resolve=Names([address])).look_at("http://inside.example/")
    with pytest.raises(NotAllowed, match="public"):
        await Guard(resolve=Names([PUBLIC[0], address, PUBLIC[1]])).look_at("http://inside.example/")


@pytest.mark.parametrize("url", BAD_URLS)
async def test_no_way_to_write_it_leads_to_this_machine(url: str, canary: Canary) -> None:
    # Port 80 is open to all: the address alone has to be refused.
    for text in (url.format(port=canary.port), url.format(port=80)):
        with pytest.raises((NotAllowed, Unresolved)):
            await Sender(Guard(allow=f":{canary.port}")).post(text, {}, b"{}")
    assert canary.connections() == 0


@pytest.mark.parametrize("url", ["http://127.1/", "http://2130706433/", "http://[::1%25lo]/", "http://a@b/"])
async def test_what_cannot_be_read_is_refused_even_where_everything_is_allowed(url: str) -> None:
    with pytest.raises(NotAllowed):
        await Guard("*").look_at(url)


async def test_a_public_name_is_resolved_once_and_its_parts_are_kept() -> None:
    names = Names(PUBLIC[:2])
    target = await Guard(resolve=names).look_at("HTTPS://Hooks.Example./a?b=c#d")
    assert names.asked == ["hooks.example"]
    assert target.addresses == tuple(PUBLIC[:2])
    assert target.url == "https://hooks.example:443/a?b=c"
    other = await Guard(resolve=names).look_at("http://hooks.example:8080?x")
    assert (other.url, other.place.path) == ("http://hooks.example:8080/?x", "/?x")
    assert (await Guard().look_at("http://[2606:4700:4700::1111]/")).url == "http://[2606:4700:4700::1111]:80/"


@pytest.mark.parametrize("port", [22, 25, 6379, 11211, 9000])
async def test_ports_are_on_a_list(port: int) -> None:
    names = Names(PUBLIC[:1])
    with pytest.raises(NotAllowed, match="Port"):
        await Guard(resolve=names).look_at(f"http://hooks.example:{port}/")
    assert (await Guard(f":{port}", resolve=names).look_at(f"http://hooks.example:{port}/")).place.port == port


@pytest.mark.parametrize(
    ("allow", "url", "answers", "fits"),
    [
        ("10.0.0.0/8", "http://in.example:9999/", ["10.1.2.3"], True),
        ("10.0.0.0/8", "http://in.example:9999/", ["10.1.2.3", "127.0.0.1"], False),
        ("10.0.0.0/8", "http://in.example/", ["10.1.2.3", "1.1.1.1"], True),
        ("10.0.0.0/8", "http://in.example:9999/", ["10.1.2.3", "1.1.1.1"], False),
        ("127.0.0.1", "http://127.0.0.1:9/", [], True),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]:9/", [], False),
        ("::1", "http://[::1]:9/", [], True),
        ("in.example", "http://IN.example.:9999/", ["10.1.2.3"], True),
        ("in.example", "http://not.in.example/", ["10.1.2.3"], False),
        ("in.example:9000", "http://in.example:9000/", ["10.1.2.3"], True),
        ("in.example:9000", "http://in.example:9001/", ["10.1.2.3"], False),
        ("a.example, in.example", "http://in.example/", ["10.1.2.3"], True),
        ("*", "http://in.example:1/", ["127.0.0.1"], True),
        (" , ", "http://in.example/", ["127.0.0.1"], False),
    ],
)
async def test_what_is_allowed_is_no_more_than_was_said(allow: str, url: str, answers: list[str], fits: bool) -> None:
    guard = Guard(allow, resolve=Names(answers))
    if fits:
        assert (await guard.look_at(url)).addresses
    else:
        with pytest.raises(NotAllowed):
            await guard.look_at(url)


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "http://x", "a b", "x/y", "user@x", "1.2"])
def test_an_exception_that_cannot_be_read_is_an_error(entry: str) -> None:
    with pytest.raises(ConfigError, match="cannot be allowed"):
        Guard([entry])


async def test_a_name_without_an_address_is_not_refused_for_ever() -> None:
    with pytest.raises(Unresolved):
        await Guard(resolve=Names([])).look_at("http://gone.example/")

    async def failing(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    with pytest.raises(Unresolved, match=r"gone\.example.*no such host"):
        await Guard(resolve=failing).look_at("http://gone.example/")


async def test_the_connection_goes_to_the_address_that_was_looked_at(receiver: Receiver) -> None:
    """The name's next answer is the canary's: nobody asks for it."""
    canary = Canary("127.0.0.2", receiver.port)
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    try:
        sender = Sender(Guard("127.0.0.1/32", resolve=names))
        assert await sender.post(f"http://flips.example:{receiver.port}/hook", {}, b"{}") == 200
        assert names.asked == ["flips.example"]
        assert receiver.got[0].headers["host"] == f"flips.example:{receiver.port}"
        with pytest.raises(NotAllowed):
            await sender.post(f"http://flips.example:{receiver.port}/hook", {}, b"{}")
        assert len(receiver.got) == 1 and canary.connections() == 0
    finally:
        canary.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int, receiver: Receiver, canary: Canary) -> None:
    receiver.statuses["/hook"] = [status]
    receiver.headers["location"] = f"http://127.0.0.1:{canary.port}/"
    assert await Sender(Guard("127.0.0.1")).post(receiver.url(), {}, b"{}") == status
    assert canary.connections() == 0


async def test_no_proxy_of_the_environment_is_used(
    receiver: Receiver, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    assert await Sender(Guard("127.0.0.1")).post(receiver.url(), {}, b"{}") == 200


async def test_the_next_address_is_tried_where_nobody_listens(receiver: Receiver) -> None:
    names = Names(["127.0.0.3", "127.0.0.1"])
    assert (
        await Sender(Guard("127.0.0.0/8", resolve=names)).post(f"http://two.example:{receiver.port}/", {}, b"") == 200
    )
    alone = Sender(Guard("127.0.0.0/8", resolve=Names(["127.0.0.3"])))
    with pytest.raises(SendFailed, match="ConnectError"):
        await alone.post(f"http://one.example:{receiver.port}/", {}, b"")


async def test_who_does_not_answer_is_not_waited_for() -> None:
    silent = Canary()
    with pytest.raises(SendFailed, match=r"0\.2 s"):
        await Sender(Guard("127.0.0.1"), total_s=0.2).post(f"http://127.0.0.1:{silent.port}/", {}, b"")
    assert silent.connections() == 1
    silent.close()


def test_the_parts_of_a_url() -> None:
    assert parse_url("http://a.example") == ("http", "a.example", 80, "/")
    assert parse_url("https://xn--bcher-kva.example:8443/x#y") == ("https", "xn--bcher-kva.example", 8443, "/x")
