"""The kinds of types that an option of the configuration can have."""

from __future__ import annotations

import collections.abc
import types
import typing
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "COLLECTIONS",
    "choices_of",
    "fields_of",
    "is_annotated",
    "is_choice",
    "is_list",
    "is_mapping",
    "is_own",
    "is_union",
    "plain_type",
]

COLLECTIONS: Mapping[object, Callable[[list[object]], object]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: tuple,
    collections.abc.Set: frozenset,
}
"""What makes each type of list from its items."""

_MAPPINGS = (dict, collections.abc.Mapping)


def is_annotated(kind: Any) -> bool:
    """Say whether a type has notes to it."""
    return typing.get_origin(kind) is Annotated


def plain_type(kind: Any) -> Any:
    """Return the type with ``Annotated``, ``Final`` and ``NewType`` taken off."""
    while True:
        if typing.get_origin(kind) in (Annotated, Final):
            kind = typing.get_args(kind)[0]
        elif isinstance(kind, typing.NewType):
            kind = kind.__supertype__
        else:
            return kind


def is_own(kind: Any) -> bool:
    """Say whether the type reads itself: see ``types.ConfigValue``."""
    return isinstance(kind, type) and hasattr(kind, "from_config")


def is_union(kind: Any) -> bool:
    """Say whether the type is ``A | B`` or ``Optional[A]``."""
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def is_mapping(kind: Any) -> bool:
    """Say whether the type is a table whose keys the user chooses."""
    return typing.get_origin(kind) in _MAPPINGS


def is_list(kind: Any) -> bool:
    """Say whether the type is a list of one kind of items."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    return origin in COLLECTIONS and (origin is not tuple or arguments[1:] == (Ellipsis,))


def is_choice(kind: Any) -> bool:
    """Say whether the type is a ``Literal`` or an ``Enum``."""
    return typing.get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum))


def choices_of(kind: Any) -> tuple[Any, ...]:
    """Return what a ``Literal`` or ``Enum`` allows."""
    return typing.get_args(kind) or tuple(kind)


def fields_of(cls: type) -> list[attrs.Attribute[Any]]:
    """Return the options of an attrs class, their types resolved.

    Raises: TypeError, where a type is not there at run time.
    """
    try:
        attrs.resolve_types(cls)
    except NameError as error:
        raise TypeError(
            f"{cls.__qualname__}: {error}; import it outside of TYPE_CHECKING"
        ) from None
    return [field for field in attrs.fields(cls) if field.init]
