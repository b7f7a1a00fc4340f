"""What this node knows of its models, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Metric, Sample
from clawmatrix_model_proxy.asking.breaker import BreakerState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_model_proxy.asking.health import Health, Record

__all__ = ["model_metrics"]

_LABELS = ("node", "model", "upstream")
_STATES = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}


def model_metrics(health: Health, now: Callable[[], float]) -> list[Metric]:
    """Return the metrics of targets; each reads what there is whenever it is asked."""

    def reading(value: Callable[[Record], float | None]) -> Callable[[], Iterable[Sample]]:
        def read() -> Iterable[Sample]:
            for target, record in health.all():
                found = value(record)
                if found is not None:
                    yield Sample(found, (target.node, target.model, str(target.upstream)))

        return read

    def breaker(record: Record) -> float:
        return _STATES[record.breaker.state(now())]

    def first_token(record: Record) -> float | None:
        return None if record.first_token_ms is None else record.first_token_ms / 1000

    calls = reading(lambda record: record.calls)
    errors = reading(lambda record: record.errors)
    outstanding = reading(lambda record: record.outstanding)
    state, first = "1 open, 0.5 half-open, 0 closed.", "Smoothed time to the first part."
    name = "clawmatrix_model"
    return [
        Metric(f"{name}_calls_total", "counter", "Attempts at an answer.", calls, _LABELS),
        Metric(f"{name}_errors_total", "counter", "Those that failed.", errors, _LABELS),
        Metric(f"{name}_outstanding", "gauge", "Those under way.", outstanding, _LABELS),
        Metric(f"{name}_breaker_open", "gauge", state, reading(breaker), _LABELS),
        Metric(f"{name}_first_token_seconds", "gauge", first, reading(first_token), _LABELS),
    ]
