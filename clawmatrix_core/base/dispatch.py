"""How a hook is called, where its specification alone does not show it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DISPATCH", "dispatch"]

DISPATCH = "clawmatrix_dispatch"
"""The attribute that ``dispatch`` sets on a specification."""

F = TypeVar("F", bound="Callable[..., object]")


def dispatch(verb: Literal["every", "demand"]) -> Callable[[F], F]:
    """Say that a hook is called with ``node.hooks.every`` or ``node.hooks.demand``.

    It stands below ``@hookspec``, on an ``async def``.

    Raises: TypeError, where it stands on a plain function, or the verb is another one.
    """

    def mark(function: F) -> F:
        is_async: bool = inspect.iscoroutinefunction(function)
        if not is_async or verb not in ("every", "demand"):
            raise TypeError(f'@dispatch is for an async def, and "every" or "demand": {function}')
        setattr(function, DISPATCH, verb)
        return function

    return mark
