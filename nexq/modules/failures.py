"""The failures of the bundled modules: each says all there is to know, and whether another try may help."""

from __future__ import annotations

from nexq.outcome import Failure


class HttpFailed(Failure):
    """The request could not be made, or did not end as expected."""


class ShellFailed(Failure):
    """The program did not end as expected, or may not run."""


class EmailFailed(Failure):
    """The message was not sent."""


class EthereumFailed(Failure):
    """The balance could not be had."""
