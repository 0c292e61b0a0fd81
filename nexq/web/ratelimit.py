"""How often an address may fail to say who it is."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable


class Failures:
    """Failed attempts per address, within a sliding window. Memory is bounded: the address seen longest ago goes."""

    def __init__(
        self,
        most: int = 10,
        window_s: float = 60.0,
        addresses: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._window_s = window_s
        self._addresses = addresses
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until the address may try again; 0: it may try now."""
        failed = self._failed.get(network_of(address)) if self._failed else None
        if failed is None or len(failed) < self._most:
            return 0.0
        return max(0.0, failed[0] + self._window_s - self._clock())

    def note(self, address: str) -> None:
        """Count a failed attempt."""
        network = network_of(address)
        failed = self._failed.pop(network, None)
        if failed is None:
            failed = deque(maxlen=self._most)
            if len(self._failed) >= self._addresses:
                self._failed.popitem(last=False)
        failed.append(self._clock())
        self._failed[network] = failed

    def __len__(self) -> int:
        return len(self._failed)


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
