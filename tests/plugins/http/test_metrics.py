"""Metrics in the text that Prometheus reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from clawmatrix_core.base.metric import Distribution, Metric, Sample
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_http.metrics import render
from clawmatrix_http.plugin import HttpPlugin
from tests.plugins.http.conftest import TOKEN, config

if TYPE_CHECKING:
    from collections.abc import Callable

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


class Flights:
    """A plugin with one metric that can be read, and some that cannot."""

    @hookimpl
    def register_metrics(self) -> list[Metric]:
        reads: dict[str, Callable[[], list[Sample]]] = {
            "good": lambda: [Sample(1)],
            "none": lambda: [Sample(None)],  # type: ignore[arg-type] # that is the point
            "twice": lambda: [Sample(1), Sample(2)],
        }
        return [
            *(Metric(name, "gauge", "", read) for name, read in reads.items()),
            Metric("unwritten", "gauge", "", lambda: [Sample(1, ("\ud800",))], ("by",)),
        ]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.faults_expected
async def test_a_metric_that_cannot_be_shown_is_left_out_and_a_fault_of_its_plugin() -> None:
    http = HttpPlugin()
    node = Node(config(), plugins=[http, Flights()], state=MemoryState(), watchdog=False)
    async with node, httpx2.AsyncClient(base_url=f"http://{http.address}") as client:
        shown = await client.get("/metrics", headers={"x-api-key": TOKEN})
        faults = {info.name: info.faults for info in node.plugins.list() if info.faults}
    assert shown.status_code == 200
    assert "\ngood 1.0\n" in shown.text
    assert all(name not in shown.text for name in ("none", "twice", "unwritten"))
    assert faults == {"Flights": 3}
