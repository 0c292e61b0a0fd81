"""Metric families as the text that Prometheus reads."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from nexq.metrics.names import BUILD, BUILD_HELP


class _Given(Collector):
    """Families that are there already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def exposition(families: Iterable[Metric], accept: str = "") -> tuple[bytes, str]:
    """(text, content type): OpenMetrics for those who accept it, else Prometheus' older form."""
    encode, content_type = choose_encoder(accept)
    return encode(_Given(families)), content_type


def build_info(version: str) -> Metric:
    """`nexq_build_info`."""
    info = InfoMetricFamily(BUILD, BUILD_HELP)
    info.add_metric((), {"version": version, "python": platform.python_version()})
    return info
