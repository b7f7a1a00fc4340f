"""Functions that specify or implement hooks: where their marks stand, and which can be called."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["move_marks", "wrong_signature"]

_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD


def move_marks(namespace: object, mark: str) -> None:
    """Put each mark that stands on a ``staticmethod`` or ``classmethod`` on the function inside.

    So ``@hookspec`` and ``@hookimpl`` may stand above ``@staticmethod`` or below it: pluggy looks
    at the function alone.
    """
    classes = namespace.__mro__ if inspect.isclass(namespace) else type(namespace).__mro__
    for holder in (namespace, *classes):
        for found in tuple(getattr(holder, "__dict__", {}).values()):
            if isinstance(found, staticmethod | classmethod) and hasattr(found, mark):
                function = found.__func__
                if not hasattr(function, mark):
                    setattr(function, mark, getattr(found, mark))


def wrong_signature(namespace: object, name: str, function: Callable[..., Any]) -> str | None:
    """Say why nobody could call a specification of a plugin, None where anybody can."""
    parameters = list(inspect.signature(function).parameters.values())
    if inspect.isclass(namespace) and parameters and parameters[0].name == "self":
        return f"{name} takes self, and a class gives it none: write @staticmethod above @hookspec"
    if not parameters or parameters[0].kind is not _NAMED:
        return f"{name} needs a first parameter, which is the node"
    for parameter in parameters:
        if parameter.kind is not _NAMED or parameter.default is not parameter.empty:
            return f"{name}({parameter}): parameters are plain names, without defaults"
    return None
