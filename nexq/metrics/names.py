"""Every metric of nexq: name -> what it says. Dashboards and alerts are checked against this table.

Names follow OpenMetrics: base units at the end, `_total` for counters, `_info` for facts. Labels are queues and
handlers, never jobs: the number of series is bounded.
"""

from __future__ import annotations

#: Most queues that get series of their own; the rest is summed under OTHER. Handlers: nexq.worker.tally.
MOST_QUEUES = 1000
OTHER = "other"

#: Metric of the server, as its families are called: counters without `_total` -> help text.
SERVER = {
    "nexq_queue_jobs": "Jobs of a queue by state.",
    "nexq_queue_oldest_seconds": "Age of the oldest ready job; 0 when none is ready.",
    "nexq_queue_paused": "1 while a queue is paused.",
    "nexq_dead_letters": "Jobs in the dead set of a queue.",
    "nexq_jobs_enqueued": "Jobs taken in since the queue was born.",
    "nexq_jobs_finished": "Jobs that ended since the queue was born, by outcome: completed, dead, cancelled.",
    "nexq_job_retries": "Failed attempts that were put back to run again.",
    "nexq_leases_lost": "Claims whose lease ran out, because their worker died or was cut off.",
    "nexq_workers": "Workers by state: running, draining, lost (no sign of life for two minutes).",
    "nexq_worker_slots": "Slots of living workers: busy and free, as they last told.",
    "nexq_desired_workers": "How many workers a queue needs to keep its lag within the target.",
    "nexq_scrape_seconds": "How long reading the figures from the store took.",
}

#: Metric of a worker, as its families are called -> help text.
WORKER = {
    "nexq_worker_jobs": "Jobs this worker ran, by handler and outcome.",
    "nexq_job_duration_seconds": "How long handlers ran, by handler.",
    "nexq_worker_slots": "Slots of this worker: busy and free.",
    "nexq_worker_backlog_jobs": "Claimed jobs that wait for a slot of this worker.",
    "nexq_worker_exchange_seconds": "Round trips that hand in outcomes and take claims.",
    "nexq_worker_exchange_failures": "Exchanges that failed and were sent again.",
    "nexq_worker_stale_settles": "Outcomes that came too late: the lease had gone to another worker.",
    "nexq_worker_leases_lost": "Running jobs that were stopped because their lease was lost.",
    "nexq_worker_silence_seconds": "Time since the last successful round trip, of the queue where it is longest.",
}

#: Metric of a bridge, as its families are called -> help text.
BRIDGE = {
    "nexq_bridge_messages": "Messages settled, by outcome: enqueued, repeated, conflict, rejected.",
    "nexq_bridge_rejections": "Messages rejected without requeue, by reason.",
    "nexq_bridge_enqueue_seconds": "Round trips that turn a batch of messages into jobs.",
    "nexq_bridge_failures": "Enqueues that failed and were sent again.",
    "nexq_bridge_connects": "Connections made to the broker.",
    "nexq_bridge_connected": "1 while the bridge consumes.",
    "nexq_bridge_unsettled_messages": "Messages delivered to the bridge and not settled yet.",
    "nexq_bridge_queue_messages": "Messages that wait in the broker's queue, when it was last asked.",
}

BUILD = "nexq_build"
BUILD_HELP = "The version of nexq and of Python."
