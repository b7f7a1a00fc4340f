"""Metrics as plain values, and what is wrong with some."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from clawmatrix_core.base.cancellation import StrayCancellation
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
        ("pigeons", "gauge", (1,), "pigeons: 1 is not the name of a label"),
        ("pigeons", "gauge", ("by", "by"), "pigeons names a label twice"),
        ("pigeons", "histogram", ("le",), "pigeons: the label 'le' has the bounds"),
        ("pigeons", "summary", (), "pigeons: 'summary' is not one of counter, gauge, histogram"),
        ("_total", "counter", (), "'_total' is not the name of a metric"),
    ],
)
def test_names_that_prometheus_does_not_take(
    name: str, kind: Any, labels: tuple[str, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Metric(name, kind, "", list, labels)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"name": None}, TypeError, "the name of a metric is text, not None"),
        ({"help": None}, TypeError, "pigeons: the help is a NoneType, not text"),
        ({"help": "\ud800"}, ValueError, r"pigeons: the help '.ud800' cannot be written"),
        ({"labels": "by"}, TypeError, "pigeons: the labels are a tuple, not a str"),
        ({"read": [Sample(3)]}, TypeError, "pigeons: read is a list, not a function"),
    ],
)
def test_metrics_that_are_none(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Metric(**{"name": "pigeons", "kind": "gauge", "help": "", "read": list, **given})


def reads(value: Any, *labels: Any, kind: Any = "gauge") -> Metric:
    """Return a metric whose one sample has a value, and values of its labels."""
    name = "pigeons_total" if kind == "counter" else "pigeons"
    return Metric(name, kind, "", lambda: [Sample(value, labels)], ("by", "to")[: len(labels)])


@pytest.mark.parametrize(
    ("metric", "error", "words"),
    [
        (reads(None), TypeError, "the value of pigeons is a NoneType, not a number"),
        (reads("3"), TypeError, "the value of pigeons is a str, not a number"),
        (reads(10**400), ValueError, "the value of pigeons is too large a number"),
        (reads(1, "\ud800"), ValueError, r"pigeons: the label '.ud800' cannot be written"),
        (reads(-1, kind="counter"), ValueError, "pigeons_total is a counter, and reads -1"),
        (reads(math.nan, kind="counter"), ValueError, "pigeons_total is a counter, and reads nan"),
        (reads(math.inf, kind="counter"), ValueError, "pigeons_total is a counter, and reads inf"),
        (gauge(lambda: [Sample(1), Sample(2)]), ValueError, "pigeons reads two samples with the"),
        (gauge(lambda: [Sample(1, "a")], "by"), TypeError, "the labels 'a' are not a tuple"),  # type: ignore[arg-type] # that is the point
    ],
)
def test_samples_that_prometheus_does_not_take(
    metric: Metric, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        metric.samples()


def test_a_read_that_lets_out_a_cancellation_fails_like_any_other() -> None:
    def read() -> list[Sample]:
        raise asyncio.CancelledError

    with pytest.raises(StrayCancellation):
        gauge(read).samples()


@pytest.mark.parametrize("value", [True, 3, 0.5, math.nan, math.inf, -math.inf])
def test_a_gauge_reads_any_number(value: float) -> None:
    [sample] = reads(value).samples()
    assert sample.value is value


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
        (((0.5, -1),), 3),
        (((2.0**53, 1), (2**53 + 1, 2)), 3),
    ],
)
def test_buckets_rise(buckets: tuple[tuple[float, int], ...], count: int) -> None:
    with pytest.raises(ValueError, match=r"buckets? "):
        Distribution(buckets, count, 0.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((((None, 1),), 1, 0.0), "the bound of a bucket is a NoneType, not a number"),
        ((((1.0, 0.5),), 1, 0.0), "the counts of buckets are whole numbers"),
        (((), None, 0.0), "the counts of buckets are whole numbers"),
        (((), 1, "much"), "the sum of a distribution is a str, not a number"),
    ],
)
def test_a_distribution_is_made_of_numbers(given: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Distribution(*given)
