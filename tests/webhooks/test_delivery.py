"""From a job's end to the receiver: a real worker, a real receiver, signatures computed independently."""

from __future__ import annotations

import time
from typing import Any

import pytest

from nexq import Nexq
from nexq.errors import ConfigError, InvalidName
from nexq.states import JobState
from nexq.webhooks import Webhook, rotate_key, verify
from nexq.webhooks.deliver import RETRY, redeliver
from nexq.webhooks.hook import DELIVERY
from tests.support.waiting import until
from tests.webhooks.conftest import MakeApp, Received, Receiver, add_handlers, deliveries, working
from tests.webhooks.test_sign import independent


async def secret_of(app: Nexq, name: str = "default") -> str:
    """Make a key; its secret."""
    return (await rotate_key(await app.store(), name)).secret


def signatures(received: Received) -> list[str]:
    """The signatures of a message."""
    return received.headers["webhook-signature"].split(" ")


async def in_state(app: Nexq, state: JobState, count: int = 1) -> list[Any]:
    """Wait until so many deliveries are in a state."""
    store = await app.store()

    async def there() -> list[Any]:
        found = [r for r in await deliveries(store) if r.state is state]
        return found if len(found) == count else []

    return list(await until(there, 10.0, what=f"{count} deliveries to be {state.value}"))


async def test_a_completed_job_is_told_with_its_result(app: Nexq, receiver: Receiver) -> None:
    secret = await secret_of(app)
    hook = Webhook(receiver.url("/own?x=1"))
    async with working(app):
        job = await app.enqueue("do", {"what": "well"}, webhooks=[hook])
        got = await receiver.first("/own?x=1")
        (delivery,) = await in_state(app, JobState.COMPLETED)
    assert signatures(got) == [independent(secret, got.headers, got.body)]
    verify(got.headers, got.body, secret)
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 30
    assert got.headers["webhook-id"].startswith("msg_") and "." not in got.headers["webhook-id"]
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.message["type"] == "job.completed"
    record = await job.refresh()
    assert got.message["timestamp"].startswith(time.strftime("%Y-%m-%dT%H:", time.gmtime(record.score_ms / 1000)))
    data = got.message["data"]
    assert data.pop("enqueued_at").endswith("Z")
    assert data == {
        "id": job.id,
        "type": "do",
        "queue": "mail",
        "state": "completed",
        "attempt": 1,
        "result": {"did": "well"},
    }
    # The delivery's own record is the log of it.
    assert delivery.result is not None and b'"status":200' in delivery.result and b"duration_ms" in delivery.result


async def test_a_dead_job_and_a_cancelled_one_are_told_to_who_wants_it(app: Nexq, receiver: Receiver) -> None:
    await secret_of(app)
    hooks = [
        Webhook(receiver.url("/dead"), on=("dead",)),
        Webhook(receiver.url("/cancelled"), on=("cancelled",)),
        Webhook(receiver.url("/completed"), on=("completed",)),
    ]
    async with working(app):
        failed = await app.enqueue("do", {"what": "fail"}, webhooks=hooks)
        waiting = await app.enqueue("do", delay=60, webhooks=hooks)
        running = await app.enqueue("do", {"what": "stay"}, webhooks=hooks)
        await until(lambda: _is(running, JobState.RUNNING))
        assert await waiting.cancel() is JobState.CANCELLED
        await running.cancel()
        await in_state(app, JobState.COMPLETED, 3)
    assert receiver.at("/completed") == []
    (dead,) = receiver.at("/dead")
    assert dead.message["type"] == "job.dead"
    assert dead.message["data"]["id"] == failed.id
    assert dead.message["data"]["error"] == {"type": "ValueError", "message": "no luck"}
    cancelled = {m.message["data"]["id"]: m.message["type"] for m in receiver.at("/cancelled")}
    assert cancelled == {waiting.id: "job.cancelled", running.id: "job.cancelled"}
    assert len({m.headers["webhook-id"] for m in receiver.got}) == 3


async def _is(job: Any, state: JobState) -> bool:
    return bool(await job.state() is state)


async def test_a_handlers_hooks_and_a_queues(make_app: MakeApp, receiver: Receiver) -> None:
    app = add_handlers(make_app(), webhooks=[Webhook(receiver.url("/handler"))])
    await secret_of(app)
    await (await app.store()).hooks.add("mail", Webhook(receiver.url("/queue")).pack())
    handler = app.registry.get("do")
    assert handler is not None and b"/handler" in handler.about()
    async with working(app):
        one = await app.enqueue("do")
        await in_state(app, JobState.COMPLETED, 2)
        two = await app.enqueue("do", webhooks=[Webhook(receiver.url("/own"))])
        three = await app.enqueue("do", webhooks=[])
        # Another process, that knows the handler only by what the worker has published.
        four = await make_app().enqueue("do")
        await in_state(app, JobState.COMPLETED, 7)
    told = {path: {m.message["data"]["id"] for m in receiver.at(path)} for path in ("/handler", "/queue", "/own")}
    assert told == {
        "/handler": {one.id, four.id},
        "/queue": {one.id, two.id, three.id, four.id},
        "/own": {two.id},
    }


async def test_bound_calls_and_options_take_hooks(make_app: MakeApp, receiver: Receiver) -> None:
    app = make_app()
    await secret_of(app)

    @app.handler("add", queue="mail")
    async def add(a: int, b: int) -> int:
        return a + b

    hooked = add.options(webhooks=[Webhook(receiver.url())])
    async with working(app):
        await app.enqueue_many([hooked.bind(1, 2), add.bind(3, 4), hooked.bind(5, 6)])
        await in_state(app, JobState.COMPLETED, 2)
    assert sorted(m.message["data"]["result"] for m in receiver.got) == [3, 11]


async def test_keys_change_without_haste(app: Nexq, receiver: Receiver) -> None:
    store = await app.store()
    first = await rotate_key(store, "shop")
    hook = Webhook(receiver.url(), key="shop")
    async with working(app):

        async def deliver() -> Received:
            receiver.got.clear()
            await app.enqueue("do", webhooks=[hook])
            return await receiver.first()

        assert len(signatures(await deliver())) == 1
        second = await rotate_key(store, "shop")
        both = await deliver()
        assert signatures(both) == [independent(k.secret, both.headers, both.body) for k in (second, first)]
        third = await rotate_key(store, "shop")
        last = await deliver()
        assert signatures(last) == [independent(k.secret, last.headers, last.body) for k in (third, second)]
        await store.hooks.drop_key("shop", second.id)
        only = await deliver()
        assert signatures(only) == [independent(third.secret, only.headers, only.body)]


async def test_failures_are_tried_again_under_the_same_id_and_stand_in_the_log(app: Nexq, receiver: Receiver) -> None:
    await secret_of(app)
    receiver.statuses["/hook"] = [503, 404, 302]
    store = await app.store()
    async with working(app):
        await app.enqueue("do", webhooks=[Webhook(receiver.url())])
        for _ in range(3):
            (delivery,) = await in_state(app, JobState.RETRYING)
            assert await store.moves.run_now("mail", delivery.id)
        (delivery,) = await in_state(app, JobState.COMPLETED)
    assert len({m.headers["webhook-id"] for m in receiver.got}) == 1 and len(receiver.got) == 4
    assert [a.error["message"] for a in delivery.attempts] == [
        f"The receiver answered {status}." for status in (503, 404, 302)
    ]
    assert delivery.run.attempt == 4


def test_a_delivery_is_tried_eight_times_over_a_day() -> None:
    assert RETRY.max_attempts == 8
    assert 9 * 3600 < sum(RETRY.waits_s()) < 24 * 3600
    assert RETRY.waits_s()[0] <= 5


async def test_a_receiver_that_wants_no_more_is_left_alone(app: Nexq, receiver: Receiver) -> None:
    await secret_of(app)
    receiver.statuses["/hook"] = [410]
    async with working(app):
        await app.enqueue("do", webhooks=[Webhook(receiver.url())])
        (delivery,) = await in_state(app, JobState.DEAD)
    assert "410" in delivery.last_error and len(receiver.got) == 1


async def test_without_a_key_nothing_is_sent_until_there_is_one(app: Nexq, receiver: Receiver) -> None:
    store = await app.store()
    async with working(app):
        await app.enqueue("do", webhooks=[Webhook(receiver.url(), key="later")])
        (delivery,) = await in_state(app, JobState.RETRYING)
        assert "'later'" in delivery.last_error and receiver.got == []
        await secret_of(app, "later")
        await store.moves.run_now("mail", delivery.id)
        await in_state(app, JobState.COMPLETED)


async def test_what_is_not_public_is_not_called_unless_allowed(app: Nexq, receiver: Receiver) -> None:
    await secret_of(app)
    async with working(app, allow=""):
        await app.enqueue("do", webhooks=[Webhook(receiver.url())])
        (delivery,) = await in_state(app, JobState.DEAD)
    assert "public address" in delivery.last_error and receiver.got == []
    store = await app.store()
    assert await redeliver(store, delivery) == delivery.id
    async with working(app):
        await receiver.first()


async def test_the_setting_comes_from_the_environment(
    app: Nexq, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await secret_of(app)
    monkeypatch.setenv("NEXQ_WEBHOOK_ALLOW", "10.0.0.0/8, 127.0.0.1")
    async with app.worker(queues=["mail"]):
        await app.enqueue("do", webhooks=[Webhook(receiver.url())])
        await receiver.first()


async def test_a_delivery_that_has_come_can_be_sent_once_more(app: Nexq, receiver: Receiver) -> None:
    await secret_of(app)
    store = await app.store()
    async with working(app):
        await app.enqueue("do", webhooks=[Webhook(receiver.url())])
        (delivery,) = await in_state(app, JobState.COMPLETED)
        copy = await redeliver(store, delivery)
        await in_state(app, JobState.COMPLETED, 2)
    assert copy != delivery.id
    one, two = receiver.got
    assert one.headers["webhook-id"] == two.headers["webhook-id"] and one.body == two.body


async def test_a_job_that_is_gone_is_told_without_its_result(app: Nexq, receiver: Receiver) -> None:
    await secret_of(app)
    store = await app.store()
    job = await app.enqueue("do", webhooks=[Webhook(receiver.url(), on=("cancelled",))])
    await job.cancel()
    await store.moves.delete("mail", job.id)
    async with working(app):
        got = await receiver.first()
    assert got.message["data"] == {"id": job.id, "type": "do", "queue": "mail", "state": "cancelled"}


async def test_a_job_that_lives_again_is_told_as_it_ended(app: Nexq, receiver: Receiver) -> None:
    await secret_of(app)
    job = await app.enqueue("do", webhooks=[Webhook(receiver.url(), on=("cancelled",))])
    await job.cancel()
    await job.revive()
    async with working(app):
        got = await receiver.first()
    assert got.message["type"] == "job.cancelled" and "result" not in got.message["data"]


async def test_nobody_makes_a_delivery_by_hand(app: Nexq) -> None:
    with pytest.raises(InvalidName, match="nowhere else"):
        await app.enqueue(DELIVERY, {"job": "x"})


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "ftp://a.example/"},
        {"url": "http://user:pass@a.example/"},
        {"url": "http://127.1/"},
        {"url": "https://a.example/" + "x" * 2000},
        {"url": None},
        {"url": "https://a.example/", "on": ()},
        {"url": "https://a.example/", "on": ("running",)},
        {"url": "https://a.example/", "on": "dead"},
        {"url": "https://a.example/", "key": "a b"},
    ],
)
def test_a_webhook_that_cannot_be_is_an_error_at_once(bad: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, InvalidName)):
        Webhook(**bad)


async def test_webhooks_are_webhooks_and_not_too_many(app: Nexq) -> None:
    for wrong in (["https://a.example/"], [Webhook(f"https://a.example/{n}") for n in range(11)]):
        with pytest.raises(ConfigError, match="webhooks"):
            await app.enqueue("do", webhooks=wrong)  # type: ignore[arg-type]


def test_a_line_says_all_of_a_webhook() -> None:
    hook = Webhook("https://a.example/%C3%BC", ("dead", "completed"), "k")
    assert Webhook.unpack(hook.pack()) == hook
    assert hook.pack() == b'cd {"url":"https://a.example/%C3%BC","key":"k"}'
    assert len(hook.id) == 12
