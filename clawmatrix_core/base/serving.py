"""Which code serves the input of others: a node must not be talked into removing a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

__all__ = ["is_serving", "serves_input"]

F = TypeVar("F", bound="Callable[..., Any]")

_codes: set[CodeType] = set()


def serves_input(function: F) -> F:
    """Mark a function of the core or of a plugin that runs others' code on the input of others.

    A plugin that blocks the event loop below such a function is named, and not taken out: a
    peer, a client or an upstream could have it taken out otherwise.
    """
    _codes.add(function.__code__)
    return function


def is_serving(frame: FrameType | None) -> bool:
    """Say whether a frame, or one that called it, is of a function so marked."""
    while frame is not None:
        if frame.f_code in _codes:
            return True
        frame = frame.f_back
    return False
