"""Metrics in the text that Prometheus reads."""

from __future__ import annotations

from clawmatrix_core.base.metric import Distribution, Metric, Sample
from clawmatrix_http.metrics import render

TEXT = """\
# HELP letters_total Letters.
# TYPE letters_total counter
letters_total{by="a",to="\\"b\\""} 3.0
# HELP pigeons Pigeons
# TYPE pigeons gauge
# HELP flight_seconds Flights.
# TYPE flight_seconds histogram
flight_seconds_bucket{le="0.1"} 2.0
flight_seconds_bucket{le="1.0"} 5.0
flight_seconds_bucket{le="+Inf"} 6.0
flight_seconds_count 6.0
flight_seconds_sum 4.5
"""


def test_each_kind_has_its_text() -> None:
    spread = Distribution(((0.1, 2), (1.0, 5)), count=6, sum=4.5)
    metrics = [
        Metric(
            "letters_total", "counter", "Letters.", lambda: [Sample(3, ("a", '"b"'))], ("by", "to")
        ),
        Metric("pigeons", "gauge", "Pigeons", list),
        Metric("flight_seconds", "histogram", "Flights.", lambda: [Sample(spread)]),
    ]
    assert render([(one, one.samples()) for one in metrics]).decode() == TEXT


def test_no_metrics_are_an_empty_text() -> None:
    assert render([]) == b""
