"""Metrics as plain values, and what is wrong with some."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_core.base.metric import Distribution, Metric, Sample


def gauge(read: Any, *labels: str) -> Metric:
    return Metric("pigeons", "gauge", "Pigeons in the air.", read, labels)


def test_a_metric_reads_what_there_is_now() -> None:
    flying = [3]
    metric = gauge(lambda: [Sample(flying[0])])
    assert metric.samples() == (Sample(3),)
    flying[0] = 4
    assert metric.samples() == (Sample(4),)


def test_a_histogram_reads_distributions() -> None:
    spread = Distribution(((0.1, 2), (1.0, 5)), count=6, sum=4.5)
    metric = Metric("flight_seconds", "histogram", "Flights.", lambda: [Sample(spread)])
    assert metric.samples() == (Sample(spread),)


@pytest.mark.parametrize(
    ("name", "kind", "labels", "words"),
    [
        ("no-pigeons", "gauge", (), "'no-pigeons' is not the name of a metric"),
        ("", "gauge", (), "'' is not the name of a metric"),
        ("pigeons", "counter", (), "pigeons: names of counters, and no others, end in _total"),
        ("pigeons_total", "gauge", (), "pigeons_total: names of counters"),
        ("pigeons", "gauge", ("by", "a b"), "pigeons: 'a b' is not the name of a label"),
        ("pigeons", "gauge", ("__by",), "pigeons: '__by' is not the name of a label"),
    ],
)
def test_names_that_prometheus_does_not_take(
    name: str, kind: Any, labels: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Metric(name, kind, "", list, labels)


@pytest.mark.parametrize(
    ("metric", "error", "words"),
    [
        (gauge(lambda: [3]), TypeError, "pigeons reads a int, not a Sample"),
        (gauge(lambda: [Sample(3)], "by"), ValueError, "pigeons has the labels"),
        (gauge(lambda: [Sample(3, (1,))], "by"), TypeError, "are not all text"),  # type: ignore[arg-type] # that is the point
        (gauge(lambda: [Sample(Distribution((), 0, 0))]), TypeError, "pigeons is a gauge"),
        (Metric("x", "histogram", "", lambda: [Sample(3)]), TypeError, "x is a histogram"),
    ],
)
def test_samples_that_do_not_fit(metric: Metric, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        metric.samples()


@pytest.mark.parametrize(
    ("buckets", "count"),
    [
        (((1.0, 2), (0.5, 3)), 3),
        (((0.5, 2), (0.5, 3)), 3),
        (((0.5, 2), (float("inf"), 3)), 3),
        (((0.5, 3), (1.0, 2)), 3),
        (((0.5, 4),), 3),
    ],
)
def test_buckets_rise(buckets: tuple[tuple[float, int], ...], count: int) -> None:
    with pytest.raises(ValueError, match=r"buckets? "):
        Distribution(buckets, count, 0.0)
