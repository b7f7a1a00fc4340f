"""Whether a value of one annotated type may go where another type is annotated."""

from __future__ import annotations

import re
import types
import typing
from typing import Any

__all__ = ["fits", "in_words"]

_UNIONS = (typing.Union, types.UnionType)
_MODULES = re.compile(r"\b(?:\w+\.)+(?=\w)")


def fits(given: Any, taken: Any) -> bool:
    """Say whether a value of the type ``given`` may go where ``taken`` is annotated.

    Says yes where only a type checker could tell, as with protocols and type variables.
    """
    if given == taken or given is Any or taken is Any or taken is object:
        return True
    if isinstance(given, typing.TypeVar) or isinstance(taken, typing.TypeVar):
        return True
    if typing.get_origin(given) in _UNIONS:
        return all(fits(one, taken) for one in typing.get_args(given))
    if typing.get_origin(taken) in _UNIONS:
        return any(fits(given, one) for one in typing.get_args(taken))
    if isinstance(given, typing.NewType):
        return not isinstance(taken, typing.NewType) and fits(given.__supertype__, taken)
    if typing.get_origin(given) is typing.Literal:
        return _literal_fits(typing.get_args(given), taken)
    return not isinstance(taken, typing.NewType) and _class_fits(given, taken)


def _literal_fits(values: tuple[object, ...], taken: Any) -> bool:
    if typing.get_origin(taken) is typing.Literal:
        return {*values} <= {*typing.get_args(taken)}
    return all(fits(type(value), taken) for value in values)


def _class_fits(given: Any, taken: Any) -> bool:
    from_, to = typing.get_origin(given) or given, typing.get_origin(taken) or taken
    if to is typing.Literal:
        return False
    if not (isinstance(from_, type) and isinstance(to, type)) or getattr(to, "_is_protocol", False):
        return True
    if from_ is int and to is float:
        return True
    return issubclass(from_, to) and _arguments_fit(typing.get_args(given), typing.get_args(taken))


def _arguments_fit(given: tuple[Any, ...], taken: tuple[Any, ...]) -> bool:
    """Compare what stands in brackets, where both types have that and as much of it."""
    if len(given) != len(taken):
        return True
    return all(
        isinstance(one, list) or fits(one, other) for one, other in zip(given, taken, strict=True)
    )


def in_words(kind: Any, beside: Any = None) -> str:
    """Return a type as people write it; with its module, where ``beside`` reads the same."""
    whole = _whole(kind)
    short = _MODULES.sub("", whole)
    return whole if beside is not None and _MODULES.sub("", _whole(beside)) == short else short


def _whole(kind: Any) -> str:
    if kind is type(None):
        return "None"
    if isinstance(kind, type) and not typing.get_args(kind):
        return kind.__qualname__ if kind.__module__ == "builtins" else _dotted(kind)
    if isinstance(kind, typing.NewType):
        return f"{kind.__module__}.{kind.__name__}"
    return str(kind)


def _dotted(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__.rpartition('<locals>.')[2]}"
