"""What a bridge counts of itself, and these figures as metrics."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from nexq.bridges.rabbitmq.message import REASONS
from nexq.metrics.names import BRIDGE
from nexq.worker.tally import EXCHANGE_BOUNDS, Histogram

#: What becomes of a message that is acknowledged.
OUTCOMES: tuple[str, ...] = ("enqueued", "repeated", "conflict")


class Tally:
    """The counters of one bridge, plain numbers.

    taken     outcome -> messages that were acknowledged: `repeated` had made their job before, of `conflict` another
              live job holds the unique key
    rejected  reason -> messages that were rejected
    """

    def __init__(self) -> None:
        self.taken = dict.fromkeys(OUTCOMES, 0)
        self.rejected = dict.fromkeys(REASONS, 0)
        self.enqueues = Histogram(EXCHANGE_BOUNDS)
        self.failures = 0
        self.connects = 0
        self.connected = False
        self.unsettled = 0
        #: Messages in the broker's queue; -1: not known.
        self.waiting = -1


def families(tally: Tally) -> Iterator[Metric]:
    """The metrics of a bridge at this moment. May be called in any thread."""
    messages = CounterMetricFamily("nexq_bridge_messages", BRIDGE["nexq_bridge_messages"], labels=("outcome",))
    for outcome, n in tally.taken.items():
        messages.add_metric((outcome,), n)
    messages.add_metric(("rejected",), sum(tally.rejected.values()))
    yield messages
    rejections = CounterMetricFamily("nexq_bridge_rejections", BRIDGE["nexq_bridge_rejections"], labels=("reason",))
    for reason, n in tally.rejected.items():
        rejections.add_metric((reason,), n)
    yield rejections
    enqueues = HistogramMetricFamily("nexq_bridge_enqueue_seconds", BRIDGE["nexq_bridge_enqueue_seconds"])
    names = [*map(repr, tally.enqueues.bounds), "+Inf"]
    counts = accumulate(map(float, tally.enqueues.counts))
    enqueues.add_metric((), list(zip(names, counts, strict=True)), tally.enqueues.total)
    yield enqueues
    for name, count in (("nexq_bridge_failures", tally.failures), ("nexq_bridge_connects", tally.connects)):
        yield CounterMetricFamily(name, BRIDGE[name], value=count)
    gauges = {"nexq_bridge_connected": int(tally.connected), "nexq_bridge_unsettled_messages": tally.unsettled}
    if tally.waiting >= 0:
        gauges["nexq_bridge_queue_messages"] = tally.waiting
    for name, value in gauges.items():
        yield GaugeMetricFamily(name, BRIDGE[name], value=value)
