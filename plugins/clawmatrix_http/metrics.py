"""``/metrics``: the metrics of the core and of all plugins, as Prometheus reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.responses import Response

from clawmatrix_core import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric as Family

    from clawmatrix_core import Metric, Sample

__all__ = ["answer", "render"]


def answer(metrics: Iterable[tuple[Metric, Sequence[Sample]]]) -> Response:
    """Return the answer to ``GET /metrics``: each metric with its samples."""
    return Response(render(metrics), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def render(metrics: Iterable[tuple[Metric, Sequence[Sample]]]) -> bytes:
    """Return metrics in the text format of Prometheus."""
    return generate_latest(_Families([_family(metric, samples) for metric, samples in metrics]))


class _Families(Collector):
    """Families of samples in the place of a registry: each node has its own metrics."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def _family(metric: Metric, samples: Sequence[Sample]) -> Family:
    if metric.kind == "histogram":
        spread = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for sample in samples:
            if isinstance(sample.value, Distribution):
                spread.add_metric(sample.labels, _buckets(sample.value), sample.value.sum)
        return spread
    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = make(metric.name, metric.help, labels=metric.labels)
    for sample in samples:
        if not isinstance(sample.value, Distribution):
            family.add_metric(sample.labels, sample.value)
    return family


def _buckets(value: Distribution) -> list[tuple[str, float]]:
    bounds = [(str(float(bound)), float(count)) for bound, count in value.buckets]
    return [*bounds, ("+Inf", float(value.count))]
