"""Whether a test notices a planted bug."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable  # noqa: TC003 - attrs reads it
from typing import Any

import attrs
import pytest

__all__ = ["Plant", "fails", "plant"]


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the tests, each of which must fail with it."""

    owner: object
    name: str
    bug: object
    caught_by: tuple[Callable[..., Any], ...]
    also: tuple[tuple[object, str, object], ...] = ()


def plant(bug: Plant, patch: pytest.MonkeyPatch) -> None:
    """Put a bug into the code, until the end of the test."""
    for owner, attribute, value in ((bug.owner, bug.name, bug.bug), *bug.also):
        patch.setattr(owner, attribute, value, raising=not hasattr(builtins, attribute))


async def fails(check: Callable[..., Any], *errors: type[Exception]) -> bool:
    """Return whether a test fails, also by one of these errors of the code that it tests.

    Other errors are raised: a bug that breaks the test itself shows nothing.
    """
    expected: tuple[type[BaseException], ...] = (
        AssertionError,
        TimeoutError,
        pytest.fail.Exception,
        *errors,
    )
    caught: list[BaseException] = []
    try:
        done = check()
        if inspect.isawaitable(done):
            await done
    except* expected as group:
        caught.append(group)
    return bool(caught)
