"""A replica that came to another state than the others is made anew, once, from the newest snapshot and the log."""

from __future__ import annotations

import logging

from nexq.backends.pogocache import snapshot
from nexq.backends.pogocache.chain import NewerRecord
from nexq.backends.pogocache.end import catch_up
from nexq.backends.pogocache.machine import Machine
from nexq.backends.pogocache.replica import Replica
from nexq.backends.pogocache.snapshot import SnapshotGone
from nexq.backends.pogocache.wire import Link
from nexq.errors import ReplicaDiverged

log = logging.getLogger("nexq.backend")


async def rebuild(link: Link, replica: Replica, error: ReplicaDiverged) -> None:
    """Make the state anew. Raises ReplicaDiverged where it differs again: then the writer was wrong. WireLost."""
    log.error("%s. Its state is made anew.", error)
    epoch = replica.tip().epoch
    try:
        manifest = await snapshot.newest(link, replica.keys, epoch)
        machine = await snapshot.read(link, replica.keys, manifest) if manifest else Machine()
    except (SnapshotGone, NewerRecord):
        raise error from None
    replica.install(epoch, machine, manifest, anew=True)
    await catch_up(link, replica)
