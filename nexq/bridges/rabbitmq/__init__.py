"""RabbitMQ: `Bridge` turns the messages of a queue into jobs, `Publisher` tells how jobs end.

It needs the extra `nexq[rabbitmq]`.
"""

from __future__ import annotations

from nexq.errors import ConfigError

try:
    import aio_pika  # noqa: F401
    import aiormq  # noqa: F401
except ImportError:
    raise ConfigError("RabbitMQ needs one more package: pip install 'nexq[rabbitmq]'") from None

from nexq.bridges.rabbitmq.bridge import Bridge
from nexq.bridges.rabbitmq.message import Malformed
from nexq.bridges.rabbitmq.publish import Publisher
from nexq.bridges.rabbitmq.session import Refused
from nexq.bridges.rabbitmq.tally import Tally, families

__all__ = ["Bridge", "Malformed", "Publisher", "Refused", "Tally", "families"]
