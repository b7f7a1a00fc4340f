"""How well each target has been doing, and in which order they are asked. Pure state."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.asking.breaker import Breaker, BreakerLimits, BreakerState
from clawmatrix_model_proxy.lacks import Lacks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from clawmatrix_core import NodeId
    from clawmatrix_model_proxy.config import Balance

__all__ = ["NO_LOSSES", "Health", "Record", "SideHealth", "Target"]

_SMOOTHING = 0.3
NO_LOSSES: Mapping[Target, int] = MappingProxyType({})
_FORGET = 3600.0
"""Seconds after which a target that nobody asks is forgotten."""


@attrs.frozen(order=True, cache_hash=True)
class Target:
    """What can be asked: an upstream of a model at a node.

    Attributes:
        api: what the upstream speaks, as far as its node says so.
    """

    node: NodeId
    model: str
    upstream: int = 0
    api: str = attrs.field(default="", eq=False, order=False, repr=False)


class Record(msgspec.Struct):
    """What is known of a target.

    Attributes:
        breaker: whether it is asked at all.
        outstanding: calls under way.
        calls: calls made.
        errors: those that failed.
        first_token_ms: smoothed time to the first meaningful event, None before one came.
        used: the clock's time of the last call.
    """

    breaker: Breaker
    outstanding: int = 0
    calls: int = 0
    errors: int = 0
    first_token_ms: float | None = None
    used: float = 0.0


class Health:
    """Keeps a record of each target that was asked lately.

    Attributes:
        lacks: what the targets lack.
    """

    def __init__(self, now: Callable[[], float], limits: BreakerLimits | None = None) -> None:
        self._now = now
        self._limits = limits
        self._records: dict[Target, Record] = {}
        self._beside: dict[str, SideHealth] = {}
        self.lacks: Lacks[Target] = Lacks(now)

    def __repr__(self) -> str:
        return f"<Health of {len(self._records)} targets>"

    def use(self, limits: BreakerLimits) -> None:
        """Set when breakers open, and for how long, from now on."""
        self._limits = limits
        for record in self._records.values():
            record.breaker.limits = limits
        for side in self._beside.values():
            side.use(limits)

    def beside(self, name: str) -> SideHealth:
        """Return the account of side calls of one kind, which decide nothing about answers."""
        if name not in self._beside:
            self._beside[name] = SideHealth(self, self._now, self._limits)
        return self._beside[name]

    def of(self, target: Target) -> Record:
        """Return the record of a target; a new one knows nothing bad."""
        record = self._records.get(target)
        if record is None:
            self._forget()
            record = self._records[target] = Record(Breaker(self._limits), used=self._now())
        return record

    def order(
        self,
        targets: Iterable[Target],
        balance: Balance = "order",
        losses: Mapping[Target, int] = NO_LOSSES,
    ) -> list[Target]:
        """Return targets in the order in which to ask them: open breakers come last.

        ``losses`` says how much of a request a target cannot be told; those of the least go first.
        """
        targets = list(targets)
        if len(targets) < 2:
            return targets
        now = self._now()

        def rank(item: tuple[int, Target]) -> tuple[float, int, float, int]:
            at, target = item
            record, lost = self._records.get(target), losses.get(target, 0)
            if record is None:
                return (0.0, lost, 0.0, at)
            closed = record.breaker.state(now) is not BreakerState.OPEN
            wait = 0.0 if closed else 1.0 + record.breaker.opens_in(now)
            return (wait, lost, _load(record, balance), at)

        return [target for _, target in sorted(enumerate(targets), key=rank)]

    # --- calls

    def begin(self, target: Target) -> None:
        """Note that a target is asked."""
        record = self.of(target)
        record.used = self._now()
        record.calls += 1
        record.outstanding += 1
        record.breaker.begin(record.used)

    def first_token(self, target: Target, milliseconds: float) -> None:
        """Note how long the first meaningful event took."""
        record = self.of(target)
        old = record.first_token_ms
        record.first_token_ms = (
            milliseconds if old is None else old + _SMOOTHING * (milliseconds - old)
        )

    def succeeded(self, target: Target) -> None:
        """Note that a call was answered whole."""
        record = self._end(target)
        record.breaker.succeeded()

    def failed(self, target: Target, why: str, *, counts: bool, wait: float | None = None) -> None:
        """Note that a call failed; ``counts`` where that is the target's fault."""
        record = self._end(target)
        record.errors += 1
        if counts:
            record.breaker.failed(self._now(), why, wait=wait)
        else:
            record.breaker.succeeded()  # it answered, and the request was at fault

    def abandoned(self, target: Target) -> None:
        """Note that a call was given up here."""
        self._end(target).breaker.abandoned()

    def _end(self, target: Target) -> Record:
        record = self.of(target)
        record.outstanding = max(0, record.outstanding - 1)
        record.used = self._now()
        return record

    # --- for status

    def all(self) -> list[tuple[Target, Record]]:
        """Return every target that was asked lately, with its record."""
        return sorted(self._records.items(), key=lambda item: item[0])

    def describe(self, target: Target) -> dict[str, Any]:
        """Return what ``clawmatrix models`` shows of a target."""
        record = self._records.get(target) or Record(Breaker(self._limits))
        now = self._now()
        latency = record.first_token_ms
        return {
            "breaker": record.breaker.state(now).value,
            "opensInMs": round(record.breaker.opens_in(now) * 1000),
            "why": record.breaker.why or None,
            "outstanding": record.outstanding,
            "calls": record.calls,
            "errors": record.errors,
            "firstTokenMs": None if latency is None else round(latency, 1),
            "lacks": self.lacks.describe(target),
        }

    def _forget(self) -> None:
        now = self._now()
        self._records = {
            target: record
            for target, record in self._records.items()
            if record.outstanding or now - record.used < _FORGET
        }


class SideHealth(Health):
    """An account of its own for calls beside answers: counting, embeddings.

    They are put in the order of answers first, so that a target known to be out of reach is not
    asked. What becomes of them is written down here alone.
    """

    def __init__(
        self, answers: Health, now: Callable[[], float], limits: BreakerLimits | None
    ) -> None:
        super().__init__(now, limits)
        self._answers = answers
        self.lacks = answers.lacks

    def order(
        self,
        targets: Iterable[Target],
        balance: Balance = "order",
        losses: Mapping[Target, int] = NO_LOSSES,
    ) -> list[Target]:
        """See Health."""
        return super().order(self._answers.order(targets, balance, losses))

    def begin(self, target: Target) -> None:
        """See Health. A target that was never asked for an answer is shown as one from then on."""
        self._answers.of(target)
        super().begin(target)


def _load(record: Record, balance: Balance) -> float:
    match balance:
        case "least-outstanding":
            return record.outstanding
        case "first-token":
            return record.first_token_ms or 0.0
        case _:
            return 0.0
