"""`/metrics`: the figures of all queues and workers, for Prometheus."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from nexq import __version__
from nexq.config import setting
from nexq.errors import ConfigError
from nexq.metrics.desired import TARGET_LAG_S
from nexq.metrics.queues import Scraper, families
from nexq.metrics.text import build_info, exposition
from nexq.web.call import Call
from nexq.web.principal import Scope
from nexq.web.table import Rule


async def metrics(call: Call) -> Response:
    """`GET /metrics`: OpenMetrics when the caller accepts it. Shows the queues that the caller may see."""
    snapshot = (await scraper_of(call).snapshot()).only(call.principal.may_touch)
    found = [*families(snapshot), build_info(__version__)]
    text, content_type = exposition(found, call.request.headers.get("accept", ""))
    return Response(text, headers={"Content-Type": content_type})


RULE = Rule(
    method="GET",
    path="/metrics",
    endpoint=metrics,
    scope=Scope.READ,
    tag="health",
    summary="Figures for Prometheus",
    answers={200: ("The metrics, as OpenMetrics or Prometheus text.", None)},
)


def opened(rules: list[Rule], public: bool | None = None) -> list[Rule]:
    """The rules, with /metrics open to everybody where the setting `metrics_public` says so.

    `public`: instead of the setting. Raises ConfigError.
    """
    if not setting("metrics_public", public, False):
        return rules
    return [replace(rule, scope=Scope.PUBLIC) if rule is RULE else rule for rule in rules]


def target_lag_s() -> float:
    """The target lag of the autoscaling hint. Raises ConfigError."""
    value = setting("target_lag", None, TARGET_LAG_S)
    # Written so that NaN is refused too.
    if not 0.001 <= value <= 1e6:
        raise ConfigError(f"Expected NEXQ_TARGET_LAG to be from 0.001 to 1,000,000 seconds, got {value!r}.")
    return value


def scraper_of(call: Call) -> Scraper:
    """The scraper of this application: its averages live as long as the server."""
    state = call.request.app.state
    found: Scraper | None = getattr(state, "scraper", None)
    if found is None:
        found = state.scraper = Scraper(call.store, target_lag_s())
    return found
