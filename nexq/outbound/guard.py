"""The guard: which addresses may be called for somebody else.

A URL from outside must not become a way to what only this machine can reach. So a name is resolved once, every
address it has must be public, and the connection goes to the very address that was looked at; whoever connects asks
for no name again. Redirects are nobody's address: a caller follows none, or asks the guard anew for each.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from nexq.errors import ConfigError, NexqError

#: Ports that may be called unless the allow-list names others.
PORTS = frozenset({80, 443, 8000, 8080, 8443})
RESOLVE_S = 5.0
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")
#: The unicast addresses of the Internet; what is not among them is not public.
_INTERNET = ipaddress.ip_network("2000::/3")
#: Not public either, whatever the standard library of this Python says.
_NOT_PUBLIC = [
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
]


class NotAllowed(NexqError):
    """The URL may not be called."""


class Unresolved(NexqError):
    """The name has no address, for now."""


class Place(NamedTuple):
    """A URL's parts. `path` has the query too."""

    scheme: str
    host: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be called, and the addresses at which."""

    place: Place
    addresses: tuple[str, ...]

    @property
    def url(self) -> str:
        """The URL as the guard has read it."""
        scheme, host, port, path = self.place
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}"


def parse_url(url: str) -> Place:
    """The parts of a URL. Raises NotAllowed for everything that two readers could read in two ways."""
    if not all("!" <= c <= "~" for c in url) or "\\" in url:
        raise NotAllowed("A URL has only ASCII characters, no spaces and no backslash; encode others.")
    found = _URL.match(url)
    if found is None:
        raise NotAllowed("Expected a URL that begins with http:// or https://.")
    scheme = found[1].lower()
    if "@" in found[2]:
        raise NotAllowed("A URL has no user name and no password here; send an Authorization header instead.")
    place = _PLACE.fullmatch(found[2])
    if place is None:
        raise NotAllowed("Expected a host name or an address, and perhaps a port, between '//' and the path.")
    port = int(place[3] or (443 if scheme == "https" else 80))
    if not 1 <= port <= 65535:
        raise NotAllowed(f"{port} is not a port.")
    path = found[3] if found[3].startswith("/") else "/" + found[3]
    return Place(scheme, _read_host(place[1], place[2]), port, path)


def _read_host(v6: str | None, name: str) -> str:
    if v6 is not None:
        try:
            return str(ipaddress.IPv6Address(v6))
        except ValueError:
            raise NotAllowed(f"[{v6}] is not an IPv6 address.") from None
    host = name.lower().removesuffix(".")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to some: only the plain form is taken.
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise NotAllowed(f"{name!r} is a number, and not an IPv4 address in its plain form.") from None
    if not _NAME.fullmatch(host):
        raise NotAllowed(f"{name!r} is not a host name.")
    return host


def is_public(text: str) -> bool:
    """Whether an address is one of the public Internet's."""
    if "%" in text:
        return False
    address = ipaddress.ip_address(text)
    if address.version == 6 and address not in _INTERNET:
        return False
    if not address.is_global or address.is_multicast:
        return False
    return not _within(address, _NOT_PUBLIC)


class Guard:
    """Says which URLs may be called.

    allow    exceptions, as a list or with commas between: a network (10.0.0.0/8), an address, a host name, host:port,
             a port on public addresses (:9000), or * for everything
    resolve  (host, port) -> addresses; the system's resolver when left out
    Raises ConfigError.
    """

    def __init__(self, allow: str | Iterable[str] = (), *, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or resolve_by_system
        self._all = False
        self._networks: list[_Network] = []
        self._ports = set(PORTS)
        self._places: set[tuple[str, int | None]] = set()
        for entry in allow.split(",") if isinstance(allow, str) else allow:
            if entry.strip():
                self._admit(entry.strip().lower())

    async def look_at(self, url: str) -> Target:
        """The URL's addresses, all looked at. Raises NotAllowed, Unresolved."""
        place = parse_url(url)
        addresses = tuple(dict.fromkeys(await self._addresses(place.host, place.port)))
        if self._all or {(place.host, None), (place.host, place.port)} & self._places:
            return Target(place, addresses)
        known = [a for a in addresses if "%" not in a and _within(ipaddress.ip_address(a), self._networks)]
        for address in addresses:
            if address not in known and not is_public(address):
                # Not the address: who asks may not know our names.
                raise NotAllowed(f"{place.host} is not, or not only, at a public address.")
        if place.port not in self._ports and len(known) < len(addresses):
            raise NotAllowed(f"Port {place.port} may not be called.")
        return Target(place, addresses)

    async def _addresses(self, host: str, port: int) -> list[str]:
        if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
            return [host]
        try:
            addresses = await asyncio.wait_for(self._resolve(host, port), RESOLVE_S)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Unresolved(f"The name {host} cannot be resolved: {error or type(error).__name__}.") from None
        if not addresses:
            raise Unresolved(f"The name {host} has no address.")
        return addresses

    def _admit(self, entry: str) -> None:
        if entry == "*":
            self._all = True
            return
        if re.fullmatch(r":[0-9]{1,5}", entry):
            self._ports.add(int(entry[1:]))
            return
        try:
            self._networks.append(ipaddress.ip_network(entry))
        except ValueError:
            try:
                place = parse_url(f"http://{entry}")
            except NotAllowed as error:
                raise ConfigError(f"{entry!r} cannot be allowed: {error}") from None
            if place.path != "/":
                raise ConfigError(f"{entry!r} cannot be allowed: expected a host, not a URL.") from None
            self._places.add((place.host, place.port if re.search(r":[0-9]+$", entry) else None))


def _within(address: _Address, networks: Iterable[_Network]) -> bool:
    return any(address.version == net.version and address in net for net in networks)


async def resolve_by_system(host: str, port: int) -> list[str]:
    """The addresses that the system's resolver knows."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Names:
    """A resolver, the system's when left out, asked once for those who ask for the same name together."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or resolve_by_system
        self._asked: dict[tuple[str, int], asyncio.Task[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a name."""
        key = (host, port)
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(self._resolve(host, port))
            task.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(task)

    def _done(self, key: tuple[str, int], task: asyncio.Task[list[str]]) -> None:
        del self._asked[key]
        if not task.cancelled():
            # Those who asked may be gone; then nobody else looks at its error.
            task.exception()
