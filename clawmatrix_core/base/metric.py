"""Metrics as plain values: what is counted or measured, and what it reads now."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Distribution", "Metric", "Sample"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


@attrs.frozen
class Distribution:
    """How the values that were observed are spread: what a histogram reads.

    Attributes:
        buckets: bounds in rising order, each with how many values were at most that much.
        count: how many values there were, in all.
        sum: what they add up to.
    """

    buckets: tuple[tuple[float, int], ...]
    count: int
    sum: float

    def __attrs_post_init__(self) -> None:
        bounds = [bound for bound, _ in self.buckets]
        if bounds != sorted(set(bounds)) or not all(map(math.isfinite, bounds)):
            raise ValueError(f"the bounds of buckets rise and are finite, not {bounds}")
        counts = [*(count for _, count in self.buckets), self.count]
        if counts != sorted(counts):
            raise ValueError(f"each bucket holds what the ones below it hold, not {counts}")


@attrs.frozen
class Sample:
    """What a metric reads for one set of labels.

    Attributes:
        value: a number; for a histogram a ``Distribution``.
        labels: the values of the metric's labels, in their order.
    """

    value: float | Distribution
    labels: tuple[str, ...] = ()


@attrs.frozen
class Metric:
    """Something that is counted or measured.

    Attributes:
        name: its name, as Prometheus shows it; that of a counter ends in ``_total``.
        kind: whether it only rises, goes up and down, or is a spread of values.
        help: what it says, in a few words.
        read: returns what it reads now, at once; called whenever somebody asks.
        labels: the names of the labels that its samples have.

    Raises: ValueError, for a name or a label that Prometheus does not take.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Callable[[], Iterable[Sample]]
    labels: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise ValueError(f"{self.name!r} is not the name of a metric")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: names of counters, and no others, end in _total")
        for label in self.labels:
            if _LABEL.fullmatch(label) is None:
                raise ValueError(f"{self.name}: {label!r} is not the name of a label")

    def samples(self) -> tuple[Sample, ...]:
        """Return what it reads now. Raises: what ``read`` raises; ValueError, TypeError."""
        found = tuple(self.read())
        for sample in found:
            self._check(sample)
        return found

    def _check(self, sample: object) -> None:
        if not isinstance(sample, Sample):
            raise TypeError(f"{self.name} reads a {type(sample).__name__}, not a Sample")
        if isinstance(sample.value, Distribution) != (self.kind == "histogram"):
            raise TypeError(f"{self.name} is a {self.kind}, and reads {sample.value!r}")
        if len(sample.labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {sample.labels}")
        if not all(isinstance(label, str) for label in sample.labels):
            raise TypeError(f"{self.name}: the labels {sample.labels} are not all text")
