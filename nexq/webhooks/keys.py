"""Keys that webhooks are signed with: made here, kept in the store, shown once."""

from __future__ import annotations

import secrets

from nexq.store import Store
from nexq.store.hooks import HookKey
from nexq.webhooks.sign import new_secret


async def rotate_key(store: Store, name: str = "default") -> HookKey:
    """Make a key of that name. Where there was one, messages carry signatures of both, until the older is dropped.

    Give its `secret` to the receiver: it is not shown again. Raises InvalidName, InvalidJob.
    """
    return (await store.hooks.add_key(name, "whk_" + secrets.token_hex(6), new_secret()))[0]
