"""A worker to be killed: `python -m tests.webhooks.crash_child <url> <namespace> <how>`.

how  `work`: a worker as any other, until somebody kills it; `settle`: claims one job, completes it, and is gone by
     SIGKILL before it could take another step
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from nexq import Nexq
from nexq.backends import connect
from nexq.store import Store
from nexq.store.moves import new_nonce
from nexq.worker.settings import WorkerSettings
from tests.webhooks.conftest import add_handlers


async def settle(url: str, namespace: str) -> None:
    """Complete one job and die."""
    store = Store(connect(url), namespace)
    (claim,) = (await store.moves.exchange("mail", "child", new_nonce(), lease_ms=5000, limit=1)).claims
    await store.moves.exchange(
        "mail", "child", new_nonce(), lease_ms=5000, limit=0, completed=[claim.id, claim.token, b"1"]
    )
    os.kill(os.getpid(), signal.SIGKILL)


def work(url: str, namespace: str) -> None:
    """Work until killed."""
    app = add_handlers(Nexq(url, namespace=namespace))
    app.run_worker(settings=WorkerSettings(queues=("mail",), concurrency=4, lease_s=0.5, webhook_allow="127.0.0.1"))


if __name__ == "__main__":
    _, url, namespace, how = sys.argv
    if how == "settle":
        asyncio.run(settle(url, namespace))
    work(url, namespace)
