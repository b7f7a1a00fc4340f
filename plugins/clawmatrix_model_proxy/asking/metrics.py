"""``/metrics``: what this node knows of its models, as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from starlette.responses import Response

from clawmatrix_model_proxy.asking.breaker import BreakerState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric
    from starlette.requests import Request

    from clawmatrix_core import Node
    from clawmatrix_model_proxy.asking.health import Health

__all__ = ["Metrics"]

_LABELS = ["node", "model", "upstream"]
_STATES = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}


class Metrics(Collector):
    """Reads what there is whenever it is asked; keeps nothing of its own.

    Each node has its own registry, so that several in one process do not meet.
    """

    def __init__(self, node: Node, health: Health) -> None:
        self._node = node
        self._health = health
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    async def endpoint(self, request: Request) -> Response:
        """``GET /metrics``"""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics as they are now."""
        yield from self._of_models()
        yield from self._of_node()

    def _of_models(self) -> Iterable[Metric]:
        now = self._node.clock.now()
        name = "clawmatrix_model"
        calls = CounterMetricFamily(f"{name}_calls", "Attempts at an answer.", labels=_LABELS)
        errors = CounterMetricFamily(f"{name}_errors", "Those that failed.", labels=_LABELS)
        running = GaugeMetricFamily(f"{name}_outstanding", "Those under way.", labels=_LABELS)
        breaker = GaugeMetricFamily(
            f"{name}_breaker_open", "1 open, 0.5 half-open, 0 closed.", labels=_LABELS
        )
        first = GaugeMetricFamily(
            f"{name}_first_token_seconds", "Smoothed time to the first part.", labels=_LABELS
        )
        for target, record in self._health.all():
            labels = [target.node, target.model, str(target.upstream)]
            calls.add_metric(labels, record.calls)
            errors.add_metric(labels, record.errors)
            running.add_metric(labels, record.outstanding)
            breaker.add_metric(labels, _STATES[record.breaker.state(now)])
            if record.first_token_ms is not None:
                first.add_metric(labels, record.first_token_ms / 1000)
        yield from (calls, errors, running, breaker, first)

    def _of_node(self) -> Iterable[Metric]:
        node = self._node
        events = CounterMetricFamily(
            "clawmatrix_events", "What was counted, by reason.", labels=["reason"]
        )
        for reason, count in sorted(node.counters.items()):
            events.add_metric([reason], count)
        yield events
        links = GaugeMetricFamily("clawmatrix_links", "Open links.")
        links.add_metric([], len(node.links))
        reached = GaugeMetricFamily("clawmatrix_nodes_reachable", "Other nodes in reach.")
        reached.add_metric([], sum(node.reachable(p.node_id) for p in node.directory.others()))
        running = GaugeMetricFamily("clawmatrix_exchanges", "Exchanges under way.")
        running.add_metric([], len(node.exchanges.live))
        yield from (links, reached, running)
