"""The classes that configuration tables are read into, and the options they are made of."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs

from clawmatrix_core.config.kinds import (
    fields_of,
    is_choice,
    is_list,
    is_mapping,
    is_own,
    is_union,
    plain_type,
)
from clawmatrix_core.config.unions import check_union

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_class", "option"]

T = TypeVar("T")

SIMPLE = (str, int, float, bool, Path, Any, object, type(None))


@overload
def option(
    *,
    doc: str,
    validator: Any = None,
    rest: bool = False,
    name: str = "NAME",
    reload: bool = False,
) -> Any: ...
@overload
def option(
    *,
    default: T,
    doc: str,
    validator: Any = None,
    shown: str | None = None,
    name: str = "NAME",
    reload: bool = False,
) -> T: ...
@overload
def option(
    *,
    factory: Callable[[], T],
    doc: str,
    validator: Any = None,
    shown: str | None = None,
    rest: bool = False,
    name: str = "NAME",
    reload: bool = False,
) -> T: ...
def option(
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    doc: str,
    validator: Any = None,
    shown: str | None = None,
    rest: bool = False,
    name: str = "NAME",
    reload: bool = False,
) -> Any:
    """Declare an option of a configuration table; passed by keyword when built in code.

    Args:
        default: its value where the key is left out; without one the key is required.
        factory: makes the default, where that is a list or a table.
        doc: what it does, for the reference and ``clawmatrix config schema``.
        validator: an attrs validator, or several; a ValueError's text goes to the user.
        shown: the default in words, where the value itself says too little.
        rest: the field, a mapping, takes every key that no other field has.
        name: what stands for a key in the reference, where the type is a mapping.
        reload: whether a change of it is in force after ``Node.reload``, with all that is in
            it; its plugin sees to that in ``config_changed``. Else it waits for a restart.
    """
    metadata = {"doc": doc, "shown": shown, "rest": rest, "name": name, "reload": reload}
    return attrs.field(
        default=default, factory=factory, validator=validator, metadata=metadata, kw_only=True
    )


def check_class(cls: type, above: tuple[type, ...] = (), *, payload: bool = False) -> None:
    """Raises: TypeError, unless the class can be the type of a table, or of a payload.

    A payload has no secrets, paths or other types that read themselves: those look at files and
    variables of this machine, which other nodes must not choose. The members of a union must be
    such that a value can be only one of them: see ``unions``.
    """
    if not attrs.has(cls):
        raise TypeError(f"{cls!r} is not an attrs class")
    for field in fields_of(cls):
        try:
            _check_type(field.type, (*above, cls), payload=payload)
        except TypeError as error:
            raise TypeError(f"{cls.__qualname__}.{field.name}: {error}") from None


def _check_type(kind: Any, above: tuple[type, ...], *, payload: bool) -> None:
    kind = plain_type(kind)
    if is_union(kind) or is_list(kind) or is_mapping(kind):
        for inner in typing.get_args(kind):
            if inner is not Ellipsis:
                _check_type(inner, above, payload=payload)
        if is_union(kind):
            check_union(kind)
    elif attrs.has(kind) and not is_own(kind):
        if kind not in above:
            check_class(kind, above, payload=payload)
    elif payload and (kind is Path or is_own(kind)):
        raise TypeError(f"a payload cannot have the type {kind!r}")
    elif not (kind in SIMPLE or is_choice(kind) or is_own(kind)):
        what = "a payload" if payload else "an option"
        raise TypeError(f"{what} cannot have the type {kind!r}")
