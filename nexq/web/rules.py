"""The routes of the API, as data. Hot ones first: the router looks from the top."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from nexq.web import (
    bulk,
    claims,
    dead,
    events,
    hooks,
    jobs,
    listing,
    metrics,
    models,
    models_figures,
    overview,
    params,
    queues,
    series,
    submit,
    workers,
)
from nexq.web.access import ACCESS
from nexq.web.docs import DOCS
from nexq.web.models import JobAccepted, JobBody, JobPage, JobRequest
from nexq.web.principal import Scope
from nexq.web.table import Rule

_Answers = Mapping[int, tuple[str, type[BaseModel] | None]]
_ACCEPTED: _Answers = {202: ("Taken.", JobAccepted), 200: ("Ended within `Prefer: wait`.", JobBody)}
_MOVED: _Answers = {200: ("Done.", models.JobMoved)}
_RENEWED: _Answers = {200: ("Renewed.", models.Extended)}
_CANCELLED: _Answers = {200: ("Cancelled.", models.JobMoved), 202: ("Its worker was told.", models.JobMoved)}
_JOB: _Answers = {200: ("The job.", JobBody)}
#: A thousand jobs may come in one body.
_BATCH_BYTES = 64 * 1024 * 1024


def _create(path: str) -> Rule:
    return Rule(
        method="POST",
        path=path,
        endpoint=submit.create_job,
        scope=Scope.WRITE,
        tag="jobs",
        summary="Submit a job",
        body=JobRequest,
        answers=_ACCEPTED,
    )


def _list(path: str) -> Rule:
    return Rule(
        method="GET",
        path=path,
        endpoint=listing.list_jobs,
        scope=Scope.READ,
        tag="jobs",
        summary="List jobs",
        query=params.LISTING | {"id": {**params.STRING, "description": "Only this job."}},
        answers={200: ("A page of jobs.", JobPage)},
    )


def _get(path: str) -> Rule:
    return Rule(
        method="GET",
        path=path,
        endpoint=jobs.get_job,
        scope=Scope.READ,
        tag="jobs",
        summary="One job with its timeline, progress and log",
        query=params.QUEUE | params.EXACT,
        answers=_JOB,
    )


API: list[Rule] = [
    _create("/api/jobs"),
    _create("/api/tasks"),
    Rule(
        method="POST",
        path="/task",
        endpoint=submit.create_old_task,
        scope=Scope.WRITE,
        tag="jobs",
        summary="Submit a job, in an older form",
        body=submit.OldTask,
        answers={200: ("Queued.", models.OldAccepted)},
    ),
    Rule(
        method="POST",
        path="/api/claim",
        endpoint=claims.claim,
        scope=Scope.WRITE,
        tag="workers",
        summary="Claim jobs",
        body=claims.ClaimRequest,
        answers={200: ("The claimed jobs, with their tokens.", models.Claimed)},
    ),
    Rule(
        method="POST",
        path="/api/jobs:batch",
        endpoint=submit.create_batch,
        scope=Scope.WRITE,
        tag="jobs",
        summary="Submit up to 1,000 jobs",
        body=submit.Batch,
        body_limit=_BATCH_BYTES,
        answers={202: ("Per job what became of it.", models.BatchAnswer), 422: ("None was taken.", models.BatchAnswer)},
    ),
    *(
        Rule(
            method="POST",
            path=f"/api/jobs:{verb}",
            endpoint=endpoint,
            scope=Scope.WRITE,
            tag="jobs",
            summary=f"{verb.capitalize()} jobs by ids or filter",
            body=body,
            answers={200: ("How many were moved, and which were not.", models.BulkAnswer)},
        )
        for verb, endpoint, body in (
            ("retry", bulk.bulk_retry, bulk.Bulk),
            ("cancel", bulk.bulk_cancel, bulk.Bulk),
            ("delete", bulk.bulk_delete, bulk.Bulk),
            ("promote", bulk.bulk_promote, bulk.Bulk),
            ("reprioritize", bulk.bulk_reprioritize, bulk.BulkPriority),
        )
    ),
    _list("/api/jobs"),
    _list("/api/tasks"),
    _get("/api/jobs/{id}"),
    _get("/api/tasks/{id}"),
    *(
        Rule(
            method="POST",
            path=f"/api/jobs/{{id}}/{verb}",
            endpoint=endpoint,
            scope=Scope.WRITE,
            tag=tag,
            summary=summary,
            query=params.QUEUE,
            body=body,
            answers=answers,
        )
        for verb, endpoint, tag, summary, body, answers in (
            ("complete", claims.complete, "workers", "Complete a claimed job", claims.CompleteRequest, _MOVED),
            ("fail", claims.fail, "workers", "Fail a claimed job", claims.FailRequest, _MOVED),
            ("report", claims.report, "workers", "Tell of a claimed job's progress", claims.ReportRequest, _MOVED),
            (
                "extend",
                claims.extend,
                "workers",
                "Extend a claim's lease",
                claims.ExtendRequest,
                {200: ("Renewed.", models.Extended)},
            ),
            (
                "cancel",
                jobs.cancel_job,
                "jobs",
                "Cancel a job",
                None,
                {200: ("Cancelled.", models.JobMoved), 202: ("Its worker was told.", models.JobMoved)},
            ),
            ("retry", jobs.retry_job, "jobs", "Run a dead, cancelled or retrying job again", None, _MOVED),
            ("promote", jobs.promote_job, "jobs", "Run a scheduled or retrying job now", None, _MOVED),
            ("reprioritize", jobs.reprioritize_job, "jobs", "Change a job's priority", jobs.Reprioritize, _MOVED),
        )
    ),
    Rule(
        method="GET",
        path="/api/jobs/{id}/events",
        endpoint=events.stream_job,
        scope=Scope.READ,
        tag="events",
        summary="Follow one job (SSE)",
        query=params.QUEUE | params.EVENTS,
        answers={200: ("A stream of server-sent events.", None)},
    ),
    Rule(
        method="GET",
        path="/api/events",
        endpoint=events.stream_events,
        scope=Scope.READ,
        tag="events",
        summary="Follow the moves of jobs (SSE), resumable by Last-Event-ID",
        query={"queue": params.QUEUES} | params.EVENTS,
        answers={200: ("A stream of server-sent events.", None)},
    ),
    Rule(
        method="DELETE",
        path="/api/jobs/{id}",
        endpoint=jobs.delete_job,
        scope=Scope.WRITE,
        tag="jobs",
        summary="Delete a job",
        query=params.QUEUE,
        answers={204: ("Deleted.", None)},
    ),
    Rule(
        method="GET",
        path="/api/dead",
        endpoint=dead.list_dead,
        scope=Scope.READ,
        tag="dead letters",
        summary="List dead jobs",
        query={k: v for k, v in params.LISTING.items() if k != "state"},
        answers={200: ("A page of dead jobs.", JobPage)},
    ),
    Rule(
        method="GET",
        path="/api/dead/groups",
        endpoint=dead.list_groups,
        scope=Scope.READ,
        tag="dead letters",
        summary="Dead jobs grouped by what they died of",
        query={"queue": params.QUEUES},
        answers={200: ("The groups, the largest first.", models.DeadGroups)},
    ),
    Rule(
        method="POST",
        path="/api/dead:revive",
        endpoint=dead.revive_dead,
        scope=Scope.WRITE,
        tag="dead letters",
        summary="Revive dead jobs by ids or filter, at a limited rate where asked for",
        body=dead.Revive,
        answers={200: ("How many live again.", models.BulkAnswer)},
    ),
    Rule(
        method="GET",
        path="/api/queues",
        endpoint=queues.list_queues,
        scope=Scope.READ,
        tag="queues",
        summary="List queues",
        answers={200: ("The queues.", models.Queues)},
    ),
    Rule(
        method="GET",
        path="/api/queues/{queue}",
        endpoint=queues.get_queue,
        scope=Scope.READ,
        tag="queues",
        summary="One queue",
        answers={200: ("The queue.", models.QueueBody)},
    ),
    *(
        Rule(
            method="POST",
            path=f"/api/queues/{{queue}}/{verb}",
            endpoint=endpoint,
            scope=Scope.ADMIN,
            tag="queues",
            summary=f"{verb.capitalize()} a queue",
            body=body,
            answers={200: ("Done.", answer)},
        )
        for verb, endpoint, body, answer in (
            ("pause", queues.pause_queue, queues.Pause, models.QueueBody),
            ("resume", queues.resume_queue, None, models.QueueBody),
            ("purge", queues.purge_queue, queues.Purge, models.Purged),
        )
    ),
    Rule(
        method="GET",
        path="/api/workers",
        endpoint=workers.list_workers,
        scope=Scope.READ,
        tag="workers",
        summary="List workers",
        answers={200: ("The workers.", models.Workers)},
    ),
    Rule(
        method="GET",
        path="/api/workers/{id}",
        endpoint=workers.get_worker,
        scope=Scope.READ,
        tag="workers",
        summary="One worker, with the jobs that it runs and those that were taken back from it",
        answers={200: ("The worker.", models.OneWorker)},
    ),
    Rule(
        method="GET",
        path="/api/rerouted",
        endpoint=workers.list_rerouted,
        scope=Scope.READ,
        tag="workers",
        summary="Jobs that were taken back from dead workers",
        query={
            "worker": {**params.STRING, "description": "Only from this one."},
            "limit": params.LONG_PAGE,
        },
        answers={200: ("The jobs, the newest first.", models.ReroutedBody)},
    ),
    Rule(
        method="POST",
        path="/api/workers/{id}/order",
        endpoint=workers.order_worker,
        scope=Scope.ADMIN,
        tag="workers",
        summary="Change a worker's concurrency, stop or resume its claiming",
        body=workers.Order,
        answers={202: ("Told.", models.Ordered)},
    ),
    Rule(
        method="GET",
        path="/api/handlers",
        endpoint=queues.list_handlers,
        scope=Scope.READ,
        tag="handlers",
        summary="List handlers with their payload schemas",
        answers={200: ("The handlers.", models.Handlers)},
    ),
    Rule(
        method="POST",
        path="/api/handlers/{name:path}/jobs",
        endpoint=submit.create_for_handler,
        scope=Scope.WRITE,
        tag="handlers",
        summary="Submit a job of one handler; the body is its payload",
        answers=_ACCEPTED,
    ),
    Rule(
        method="GET",
        path="/api/stats",
        endpoint=queues.get_stats,
        scope=Scope.READ,
        tag="queues",
        summary="Figures over all queues, or some",
        query={"queue": params.QUEUES},
        answers={200: ("The figures.", models.Stats)},
    ),
    Rule(
        method="GET",
        path="/api/overview",
        endpoint=overview.get_overview,
        scope=Scope.READ,
        tag="overview",
        summary="Queues with rates, percentiles and alarms, and workers",
        answers={200: ("The overview.", models_figures.OverviewBody)},
    ),
    Rule(
        method="GET",
        path="/api/overview/events",
        endpoint=overview.stream_overview,
        scope=Scope.READ,
        tag="overview",
        summary="Follow the overview (SSE), once a second at most",
        answers={200: ("A stream of server-sent events.", None)},
    ),
    Rule(
        method="GET",
        path="/api/series",
        endpoint=series.get_series,
        scope=Scope.READ,
        tag="overview",
        summary="What happened over time",
        query={
            "range": {**params.STRING, "enum": list(series.RANGES), "default": "1h"},
            "queue": params.QUEUES,
            "by": {**params.STRING, "enum": ["queue"], "description": "Also of each queue."},
        },
        answers={200: ("Columns of figures, a place per bucket, oldest first.", models_figures.SeriesBody)},
    ),
    *hooks.rules(params.LISTING, params.QUEUE),
    *ACCESS,
    metrics.RULE,
    *DOCS,
]
