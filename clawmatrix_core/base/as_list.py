"""A list where a list is wanted: a text or a mapping would be taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

__all__ = ["as_list"]

T = TypeVar("T")


def as_list(values: Iterable[T], told: str = "gave") -> list[T]:
    """Return values as a list.

    Args:
        values: a list, or another iterable but text, bytes and mappings.
        told: the beginning of the error's message, in front of ``a str, not a list``.

    Raises: TypeError, where the values are no such iterable.
    """
    if isinstance(values, str | bytes | bytearray | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{told} a {type(values).__name__}, not a list")
    return list(values)
