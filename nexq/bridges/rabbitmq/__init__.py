"""The RabbitMQ bridge: `Bridge` turns the messages of a queue into jobs. It needs the extra `nexq[rabbitmq]`."""

from __future__ import annotations

from nexq.errors import ConfigError

try:
    import aiormq  # noqa: F401
except ImportError:
    raise ConfigError("The RabbitMQ bridge needs one more package: pip install 'nexq[rabbitmq]'") from None

from nexq.bridges.rabbitmq.bridge import Bridge
from nexq.bridges.rabbitmq.message import Malformed
from nexq.bridges.rabbitmq.session import Refused
from nexq.bridges.rabbitmq.tally import Tally, families

__all__ = ["Bridge", "Malformed", "Refused", "Tally", "families"]
