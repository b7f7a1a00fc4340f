"""Metrics as plain values: the name of a quantity, and its value now."""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, Literal

import attrs

from clawmatrix_core.base.cancellation import StrayCancellation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Distribution", "Metric", "Sample"]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_KINDS = ("counter", "gauge", "histogram")


@attrs.frozen
class Distribution:
    """How the values that were observed are spread: what a histogram reads.

    Attributes:
        buckets: bounds in rising order, each with how many values were at most that much.
        count: how many values there were, in all.
        sum: what they add up to.

    Raises: TypeError, ValueError, for bounds and counts that no values have.
    """

    buckets: tuple[tuple[float, int], ...]
    count: int
    sum: float

    def __attrs_post_init__(self) -> None:
        bounds = [_number("the bound of a bucket", bound) for bound, _ in self.buckets]
        if bounds != sorted(set(bounds)) or not all(map(math.isfinite, bounds)):
            raise ValueError(f"the bounds of buckets rise and are finite, not {bounds}")
        counts = [*(count for _, count in self.buckets), self.count]
        if not all(isinstance(count, int) for count in counts):
            raise TypeError(f"the counts of buckets are whole numbers, not {counts}")
        if counts != sorted(counts) or counts[0] < 0:
            raise ValueError(f"each bucket holds what the ones below it hold, not {counts}")
        for count in counts:
            _number("the count of a bucket", count)
        _number("the sum of a distribution", self.sum)


@attrs.frozen
class Sample:
    """What a metric reads for one set of labels.

    Attributes:
        value: a number; for a histogram a ``Distribution``. A gauge may read NaN and infinity, a
            counter is finite and not below zero.
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

    Raises: TypeError, ValueError, for a name, a kind, words or labels that Prometheus does not
        take.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    read: Callable[[], Iterable[Sample]]
    labels: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        self._check_name()
        self._check_labels()
        _check_text(f"{self.name}: the help", self.help)
        if not callable(self.read):
            raise TypeError(f"{self.name}: read is a {_type_of(self.read)}, not a function")

    def samples(self) -> tuple[Sample, ...]:
        """Return what it reads now. Raises: what ``read`` raises; ValueError, TypeError."""
        found = self._read()
        seen: set[tuple[str, ...]] = set()
        for sample in found:
            self._check(sample)
            if sample.labels in seen:
                raise ValueError(f"{self.name} reads two samples with the labels {sample.labels}")
            seen.add(sample.labels)
        return found

    def _read(self) -> tuple[Sample, ...]:
        try:
            return tuple(self.read())
        except asyncio.CancelledError:  # the result of a task, say: nobody cancels a plain call
            raise StrayCancellation from None

    def _check_name(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"the name of a metric is text, not {self.name!r}")
        if _NAME.fullmatch(self.name) is None or self.name == "_total":
            raise ValueError(f"{self.name!r} is not the name of a metric")
        if self.kind not in _KINDS:
            raise ValueError(f"{self.name}: {self.kind!r} is not one of {', '.join(_KINDS)}")
        if (self.kind == "counter") != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: names of counters, and no others, end in _total")

    def _check_labels(self) -> None:
        if not isinstance(self.labels, tuple):
            raise TypeError(f"{self.name}: the labels are a tuple, not a {_type_of(self.labels)}")
        for label in self.labels:
            if not _is_label(label):
                raise ValueError(f"{self.name}: {label!r} is not the name of a label")
            if label == "le" and self.kind == "histogram":
                raise ValueError(f"{self.name}: the label 'le' has the bounds of a histogram")
        if len(set(self.labels)) < len(self.labels):
            raise ValueError(f"{self.name} names a label twice: {self.labels}")

    def _check(self, sample: object) -> None:
        if not isinstance(sample, Sample):
            raise TypeError(f"{self.name} reads a {_type_of(sample)}, not a Sample")
        if isinstance(sample.value, Distribution) != (self.kind == "histogram"):
            raise TypeError(f"{self.name} is a {self.kind}, and reads {sample.value!r}")
        if not isinstance(sample.value, Distribution):
            self._check_value(sample.value)
        if not isinstance(sample.labels, tuple):
            raise TypeError(f"{self.name}: the labels {sample.labels!r} are not a tuple")
        if len(sample.labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {sample.labels}")
        if not all(isinstance(label, str) for label in sample.labels):
            raise TypeError(f"{self.name}: the labels {sample.labels} are not all text")
        for label in sample.labels:
            _check_text(f"{self.name}: the label", label)

    def _check_value(self, value: object) -> None:
        number = _number(f"the value of {self.name}", value)
        if self.kind == "counter" and not 0 <= number < math.inf:
            raise ValueError(f"{self.name} is a counter, and reads {value!r}")


def _is_label(name: object) -> bool:
    return isinstance(name, str) and _LABEL.fullmatch(name) is not None


def _number(what: str, value: object) -> float:
    """Return a value as Prometheus gets it. Raises: TypeError, ValueError."""
    if not isinstance(value, int | float):
        raise TypeError(f"{what} is a {_type_of(value)}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} is too large a number") from None


def _check_text(what: str, value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{what} is a {_type_of(value)}, not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} {value!r} cannot be written as UTF-8") from None


def _type_of(value: object) -> str:
    return type(value).__name__
