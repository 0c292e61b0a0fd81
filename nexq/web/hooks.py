"""Webhooks over HTTP: those of whole queues, the keys that sign, the deliveries (docs/webhooks.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from nexq.errors import InvalidJob
from nexq.store.hooks import HookKey
from nexq.web.call import Call, answer
from nexq.web.jobs import find
from nexq.web.listing import answer_page, read_filter
from nexq.web.models import JobPage, KeyName, NewHook, Strict
from nexq.web.principal import Scope
from nexq.web.problems import Problem
from nexq.web.queues import queue_of
from nexq.web.table import Rule
from nexq.webhooks.deliver import redeliver
from nexq.webhooks.hook import DELIVERY, Webhook
from nexq.webhooks.keys import rotate_key


class HookBody(BaseModel):
    """A webhook of a queue."""

    id: str
    url: str
    on: list[str]
    key: str


class HookList(BaseModel):
    """The webhooks of a queue."""

    webhooks: list[HookBody]


class NewKey(Strict):
    """A key to be made, or made anew."""

    name: KeyName = "default"


class KeyBody(BaseModel):
    """A key, without its secret."""

    name: str
    id: str
    created_ms: int
    secret: Annotated[str | None, Field(description="Shown when the key is made, and never again.")] = None


class KeyList(BaseModel):
    """All keys, of each name the newest first."""

    keys: list[KeyBody]


class Redelivered(BaseModel):
    """The job that delivers once more."""

    id: str
    queue: str


async def list_hooks(call: Call) -> Response:
    """`GET /api/queues/{queue}/webhooks`."""
    found = await call.store.hooks.of_queue(queue_of(call))
    return answer({"webhooks": [Webhook.unpack(line).as_dict() for line in found]})


async def add_hook(call: Call) -> Response:
    """`POST /api/queues/{queue}/webhooks`: a repeat changes nothing."""
    queue = queue_of(call)
    body = await call.model(NewHook)
    hook = Webhook(body.url, tuple(body.on), body.key)
    await call.store.hooks.add(queue, hook.pack())
    return answer(hook.as_dict(), 201)


async def remove_hook(call: Call) -> Response:
    """`DELETE /api/queues/{queue}/webhooks/{hook}`."""
    queue, id = queue_of(call), call.path("hook")
    for line in await call.store.hooks.of_queue(queue):
        if Webhook.unpack(line).id == id and await call.store.hooks.remove(queue, line):
            return Response(status_code=204)
    raise Problem(404, "webhook-not-found", f"Queue {queue!r} has no webhook {id!r}.")


async def list_keys(call: Call) -> Response:
    """`GET /api/webhooks/keys`: without their secrets."""
    _refuse_limited(call)
    found = await call.store.hooks.keys()
    return answer({"keys": [_shown(name, key) for name in sorted(found) for key in found[name]]})


async def make_key(call: Call) -> Response:
    """`POST /api/webhooks/keys`: make a key, or a newer one of that name; its secret is in this answer only."""
    _refuse_limited(call)
    name = (await call.model(NewKey)).name
    key = await rotate_key(call.store, name)
    return answer({**_shown(name, key), "secret": key.secret}, 201)


async def drop_key(call: Call) -> Response:
    """`DELETE /api/webhooks/keys/{name}`: `id` for one of them, else all of that name."""
    _refuse_limited(call)
    name, id = call.path("name"), call.query("id")
    if not await call.store.hooks.drop_key(name, id):
        raise Problem(404, "webhook-key-not-found", f"No webhook key {id or name!r} is known under that name.")
    return Response(status_code=204)


async def list_deliveries(call: Call) -> Response:
    """`GET /api/webhooks/deliveries`: the jobs that deliver; what went wrong with each stands in its attempts."""
    wanted = read_filter(call)
    return await answer_page(call, replace(wanted, wanted=replace(wanted.wanted, type=DELIVERY)))


async def redeliver_one(call: Call) -> Response:
    """`POST /api/webhooks/deliveries/{id}/redeliver`."""
    record = await find(call)
    try:
        id = await redeliver(call.store, record)
    except InvalidJob as error:
        raise Problem(409, "not-a-delivery", str(error)) from None
    return answer({"id": id, "queue": record.queue}, 202)


def _shown(name: str, key: HookKey) -> dict[str, Any]:
    return {"name": name, "id": key.id, "created_ms": key.created_ms}


def _refuse_limited(call: Call) -> None:
    if call.principal.queues:
        raise Problem(403, "queue-limited", "A token that covers only some queues cannot manage webhook keys.")


def rules(listing: dict[str, dict[str, Any]], queue: dict[str, dict[str, Any]]) -> list[Rule]:
    """The routes. `listing`, `queue`: what the query of a listing, and of one job, takes."""

    def rule(method: Literal["GET", "POST", "DELETE"], path: str, endpoint: Any, scope: Scope, **more: Any) -> Rule:
        return Rule(method=method, path=path, endpoint=endpoint, scope=scope, tag="webhooks", **more)

    hooks, keys, log = "/api/queues/{queue}/webhooks", "/api/webhooks/keys", "/api/webhooks/deliveries"
    return [
        rule(
            "GET",
            hooks,
            list_hooks,
            Scope.ADMIN,
            summary="List the webhooks of a queue",
            answers={200: ("The webhooks.", HookList)},
        ),
        rule(
            "POST",
            hooks,
            add_hook,
            Scope.ADMIN,
            summary="Tell somebody how the jobs of a queue end",
            body=NewHook,
            answers={201: ("Told from now on.", HookBody)},
        ),
        rule(
            "DELETE",
            hooks + "/{hook}",
            remove_hook,
            Scope.ADMIN,
            summary="Remove a webhook of a queue",
            answers={204: ("Removed.", None)},
        ),
        rule(
            "GET",
            keys,
            list_keys,
            Scope.ADMIN,
            summary="List webhook keys",
            answers={200: ("The keys, without their secrets.", KeyList)},
        ),
        rule(
            "POST",
            keys,
            make_key,
            Scope.ADMIN,
            summary="Make or rotate a webhook key",
            body=NewKey,
            answers={201: ("The key, with its secret.", KeyBody)},
        ),
        rule(
            "DELETE",
            keys + "/{name}",
            drop_key,
            Scope.ADMIN,
            summary="Drop a webhook key",
            query={"id": {"type": "string", "description": "Only this one, not all of that name."}},
            answers={204: ("Dropped.", None)},
        ),
        rule(
            "GET",
            log,
            list_deliveries,
            Scope.READ,
            summary="List webhook deliveries",
            query={k: v for k, v in listing.items() if k != "type"},
            answers={200: ("A page of deliveries.", JobPage)},
        ),
        rule(
            "POST",
            log + "/{id}/redeliver",
            redeliver_one,
            Scope.WRITE,
            summary="Deliver a webhook once more",
            query=queue,
            answers={202: ("Under way.", Redelivered)},
        ),
    ]
