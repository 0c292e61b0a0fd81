"""Webhooks: telling others over HTTP how jobs ended, signed as the Standard Webhooks say (docs/webhooks.md).

The script that ends a job writes the delivery, an ordinary job of the type `nexq:webhook`; every worker can run it.
"""

from nexq.outbound.guard import Guard, NotAllowed
from nexq.webhooks.hook import Webhook
from nexq.webhooks.keys import rotate_key
from nexq.webhooks.sign import BadSignature, verify

__all__ = ["BadSignature", "Guard", "NotAllowed", "Webhook", "rotate_key", "verify"]
