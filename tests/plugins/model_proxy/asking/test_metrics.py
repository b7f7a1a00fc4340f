"""What Prometheus reads, by its own parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_http.metrics import render
from clawmatrix_model_proxy.asking.breaker import BreakerLimits
from clawmatrix_model_proxy.asking.health import Health, Target
from clawmatrix_model_proxy.asking.metrics import model_metrics
from tests.plugins.model_proxy.asking.asking import ALONE, Client, request, serves

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

TEXT = """\
# HELP clawmatrix_model_calls_total Attempts at an answer.
# TYPE clawmatrix_model_calls_total counter
clawmatrix_model_calls_total{model="m",node="home",upstream="0"} 1.0
# HELP clawmatrix_model_errors_total Those that failed.
# TYPE clawmatrix_model_errors_total counter
clawmatrix_model_errors_total{model="m",node="home",upstream="0"} 0.0
# HELP clawmatrix_model_outstanding Those under way.
# TYPE clawmatrix_model_outstanding gauge
clawmatrix_model_outstanding{model="m",node="home",upstream="0"} 1.0
# HELP clawmatrix_model_breaker_open 1 open, 0.5 half-open, 0 closed.
# TYPE clawmatrix_model_breaker_open gauge
clawmatrix_model_breaker_open{model="m",node="home",upstream="0"} 0.0
# HELP clawmatrix_model_first_token_seconds Smoothed time to the first part.
# TYPE clawmatrix_model_first_token_seconds gauge
"""
OF_THE_NODE = """\
# HELP clawmatrix_events_total What was counted, by reason.
# TYPE clawmatrix_events_total counter
clawmatrix_events_total{reason="b"} 1.0
clawmatrix_events_total{reason="odd_frames"} 3.0
# HELP clawmatrix_links Open links.
# TYPE clawmatrix_links gauge
clawmatrix_links 0.0
# HELP clawmatrix_nodes_reachable Other nodes in reach.
# TYPE clawmatrix_nodes_reachable gauge
clawmatrix_nodes_reachable 0.0
# HELP clawmatrix_exchanges Exchanges under way.
# TYPE clawmatrix_exchanges gauge
clawmatrix_exchanges 0.0
"""
"""What a node has said since the first version, to the letter: of models, then of itself."""


def samples(node: Node) -> dict[str, float]:
    """Return every sample by its name, and by its labels where it has any."""
    families = text_string_to_metric_families(render(node.metrics()).decode())
    return {
        " ".join(
            [sample.name, *(value for _, value in sorted(sample.labels.items()))]
        ): sample.value
        for family in families
        for sample in family.samples
    }


async def test_calls_and_errors_are_counted_for_each_upstream(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    statuses = [200, 404, 404, 404]

    async def answer(asked: Asked) -> None:
        await asked.answer(b"{}", status=statuses.pop(0))

    async with (
        upstreaming(answer) as up,
        node_factory("home", built_in=ALONE, config=serves(up.base_url)) as node,
    ):
        before = samples(node)
        for _ in range(4):
            await Client(node).ask(request())
        node.counters["odd_frames"] += 3
        after = samples(node)
    assert not [name for name in before if name.startswith("clawmatrix_model_calls")]
    assert after["clawmatrix_model_calls_total m home 0"] == 4
    assert after["clawmatrix_model_errors_total m home 0"] == 3
    assert after["clawmatrix_model_outstanding m home 0"] == 0
    assert after["clawmatrix_model_breaker_open m home 0"] == 1
    assert after["clawmatrix_model_first_token_seconds m home 0"] > 0
    assert after["clawmatrix_events_total odd_frames"] == 3
    assert after["clawmatrix_links"] == after["clawmatrix_nodes_reachable"] == 0


async def test_two_nodes_in_one_process_do_not_meet(node_factory: NodeFactory) -> None:
    async with (
        node_factory("a", built_in=ALONE) as a,
        node_factory("b", built_in=ALONE) as b,
    ):
        a.counters["only_here"] += 1
        assert "clawmatrix_events_total only_here" in samples(a)
        assert "clawmatrix_events_total only_here" not in samples(b)


async def test_the_text_is_what_it_always_was() -> None:
    health = Health(lambda: 0.0, BreakerLimits())
    health.begin(Target(NodeId("home"), "m", 0))
    metrics = model_metrics(health, lambda: 0.0)
    assert render([(one, one.samples()) for one in metrics]).decode() == TEXT
    health.first_token(Target(NodeId("home"), "m", 0), 250.0)
    more = render([(one, one.samples()) for one in metrics]).decode().removeprefix(TEXT)
    labels = 'model="m",node="home",upstream="0"'
    assert more == f"clawmatrix_model_first_token_seconds{{{labels}}} 0.25\n"


async def test_the_node_speaks_of_models_first_and_then_of_itself(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("home", built_in=ALONE) as node:
        node.counters.update(b=1, odd_frames=3)
        unasked = "".join(line for line in TEXT.splitlines(True) if line.startswith("#"))
        assert render(node.metrics()).decode() == unasked + OF_THE_NODE
