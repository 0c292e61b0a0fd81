"""One clock for all: the time to live of a key that never ends falls by a millisecond each millisecond.

No client's clock can make a job early or late. Between two readings a process goes on by its own monotonic clock.
"""

from __future__ import annotations

import time

from nexq.backends.pogocache.chain import Epoch

#: Time to live of a clock's key: 31 years.
TTL_MS = 10**12
#: By how much a process's own clock may drift, as a part of the time that passed.
_DRIFT = 0.0002


class SharedClock:
    """The server's time, µs since 1970, as far as this process knows it."""

    def __init__(self, epoch: Epoch) -> None:
        self._epoch = epoch
        #: Between these lies server time minus own monotonic time, ms.
        self._least_ms = float("-inf")
        self._most_ms = float("inf")
        self._heard_mono = time.monotonic()

    @property
    def heard(self) -> bool:
        """Whether the time is known."""
        return self._least_ms > float("-inf")

    def hear(self, epoch: Epoch, sent_mono: float, got_mono: float, ttl_ms: int) -> None:
        """Note a reading of an epoch's key: its time to live, asked for and answered at these times."""
        if epoch.id != self._epoch.id or ttl_ms <= 0:
            return
        # What is left is told without its fraction: the true time is up to 1 ms earlier.
        shown_ms = self._epoch.clock_unix_ms + (self._epoch.clock_ttl_ms - ttl_ms)
        least, most = shown_ms - 1 - got_mono * 1000, shown_ms - sent_mono * 1000
        slack = max(0.0, got_mono - self._heard_mono) * 1000 * _DRIFT
        self._heard_mono = got_mono
        self._least_ms = max(least, self._least_ms - slack)
        self._most_ms = min(most, self._most_ms + slack)
        if self._least_ms > self._most_ms:
            # This process was suspended, or its clock was stopped: begin anew.
            self._least_ms, self._most_ms = least, most

    def now_us(self) -> int:
        """The server's time; 0 where none was heard yet."""
        if not self.heard:
            return 0
        offset_ms = (self._least_ms + self._most_ms) / 2
        return int((time.monotonic() * 1000 + offset_ms) * 1000)
