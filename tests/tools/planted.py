"""Whether a test notices a planted bug."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fails"]


async def fails(check: Callable[..., Any]) -> bool:
    """Say whether a test fails; pytest's own failures are no ordinary exceptions."""
    caught: list[BaseException] = []
    try:
        done = check()
        if inspect.isawaitable(done):
            await done
    except* (AssertionError, TimeoutError, pytest.fail.Exception) as group:
        caught.append(group)
    return bool(caught)
