"""Types and values of a configuration in plain words, for messages and the reference."""

from __future__ import annotations

import collections.abc
import datetime
import json
import re
import types
import typing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "choices_of",
    "format_path",
    "in_words",
    "is_choice",
    "is_mapping",
    "is_own",
    "is_union",
    "listed",
    "plain_type",
    "show",
]

SHOWN = 60
"""Characters of a wrong value that a message repeats."""

_PLAIN = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    type(None): "nothing",
}
_MAPPINGS = (dict, collections.abc.Mapping)
_BARE_KEY = re.compile("[A-Za-z0-9_-]+")


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
    """Say whether the type reads itself: see ``config_types.ConfigValue``."""
    return isinstance(kind, type) and hasattr(kind, "from_config")


def is_union(kind: Any) -> bool:
    """Say whether the type is ``A | B`` or ``Optional[A]``."""
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def is_mapping(kind: Any) -> bool:
    """Say whether the type is a table whose keys the user chooses."""
    return typing.get_origin(kind) in _MAPPINGS


def is_choice(kind: Any) -> bool:
    """Say whether the type is a ``Literal`` or an ``Enum``."""
    return typing.get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum))


def choices_of(kind: Any) -> tuple[Any, ...]:
    """Return what a ``Literal`` or ``Enum`` allows."""
    return typing.get_args(kind) or tuple(kind)


def listed(kind: Any) -> str:
    """Return the choices of a ``Literal`` or ``Enum``, as a user writes them."""
    values = (c.value if isinstance(c, Enum) else c for c in choices_of(kind))
    return ", ".join(show(value) for value in values)


def in_words(kind: Any) -> str:
    """Return what to write for a value of the type, as in "expected ..."."""
    kind = plain_type(kind)
    if is_own(kind):
        return str(kind.config_words)
    if is_choice(kind):
        return f"one of {listed(kind)}"
    if is_union(kind):
        members = [in_words(m) for m in typing.get_args(kind) if m is not type(None)]
        return " or ".join(members)
    if is_mapping(kind) or attrs.has(kind):
        return "a table"
    if arguments := typing.get_args(kind):
        item = in_words(arguments[0])
        return "a list of tables" if item == "a table" else f"a list, each {item}"
    return _PLAIN.get(kind, "any value")


def show(value: object) -> str:
    """Return a value for a message: short, and on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, (str, Path, bool)):
        text = json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    elif isinstance(value, (int, float)):
        text = (
            repr(value) if isinstance(value, float) or abs(value) < 10**SHOWN else "a huge number"
        )
    elif isinstance(value, (list, tuple, set, frozenset)):
        return "a list"
    elif isinstance(value, collections.abc.Mapping):
        return "a table"
    elif isinstance(value, (datetime.date, datetime.time)):
        return "a date or time"
    else:
        return f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def format_path(path: Sequence[str | int]) -> str:
    """Return a path as TOML would write its keys: ``models[0].api``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if _BARE_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            text += f".{key}" if text else key
    return text
