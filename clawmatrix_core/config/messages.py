"""What is said of a configuration: its mistakes, its types and its values, in plain words."""

from __future__ import annotations

import collections.abc
import datetime
import json
import re
import typing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
from msgspec.structs import replace

from clawmatrix_core.base.redaction import shown_address
from clawmatrix_core.config.kinds import (
    choices_of,
    is_choice,
    is_mapping,
    is_own,
    is_union,
    plain_type,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence, Set

__all__ = [
    "Problem",
    "Problems",
    "TableMistakes",
    "Wording",
    "format_path",
    "in_words",
    "listed",
    "nearest",
    "shared_problems",
    "show",
    "without",
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
_BARE_KEY = re.compile("[A-Za-z0-9_-]+")


# --- types and values


def listed(kind: Any) -> str:
    """Return the choices of a ``Literal`` or ``Enum``, as a user writes them."""
    values = (c.value if isinstance(c, Enum) else c for c in choices_of(kind))
    return ", ".join(show(value) for value in values)


def in_words(kind: Any, table: str = "a table") -> str:
    """Return what to write for a value of the type, as in "expected ..."; ``table`` names one."""
    kind = plain_type(kind)
    if is_own(kind):
        return str(kind.config_words)
    if is_choice(kind):
        return f"one of {listed(kind)}"
    if is_union(kind):
        members = [in_words(m, table) for m in typing.get_args(kind) if m is not type(None)]
        return " or ".join(dict.fromkeys(members))
    if is_mapping(kind) or attrs.has(kind):
        return table
    if arguments := typing.get_args(kind):
        item = in_words(arguments[0], table)
        return "a list of tables" if item == "a table" else f"a list, each {item}"
    return _PLAIN.get(kind, "any value")


def show(value: object) -> str:
    """Return a value for a message: short, and on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, (str, Path, bool)):
        value = str(value) if isinstance(value, Path) else value
        if isinstance(value, str) and "@" in value:
            value = shown_address(value)  # it may be one, with a password
        text = json.dumps(value, ensure_ascii=False)
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


class Wording:
    """The messages about a wrong value. This class repeats the value, for its author."""

    def expected(self, kind: Any, value: object, *, hidden: bool = False) -> str:
        """Name the expected kind and the value found; ``hidden`` leaves the value out."""
        got = "" if hidden else f", got {show(value)}"
        return f"expected {in_words(kind)}{got}"

    def not_a_choice(self, kind: Any, value: object) -> str:
        """Say that a value is not among the values of the type."""
        return f"{show(value)} is not one of {listed(kind)}"

    def refused(self, error: Exception, field: attrs.Attribute[Any] | None = None) -> str:
        """Say that the validator of a field, or the class as a whole, refused a value."""
        text = str(error.args[0]) if error.args else ""
        if not isinstance(error, (ValueError, TypeError)) or not text:
            return f"is refused: {type(error).__name__}" + (f": {text}" if text else "")
        return text if field is None else text.removeprefix(f"'{field.name}' ")

    def entry(self, key: str, place: int) -> str | int:
        """Return what names an entry of a table in a path; ``place`` counts from 0."""
        return key


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


# --- mistakes


class Problem(msgspec.Struct, frozen=True):
    """One mistake. ``candidates`` are the keys that exist, where an unknown one was met."""

    path: tuple[str | int, ...]
    message: str
    candidates: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{format_path(self.path)}: {self.message}{self._suggestion()}"

    def _suggestion(self) -> str:
        near = None if self.candidates is None else nearest(str(self.path[-1]), self.candidates)
        return f' (did you mean "{near}"?)' if near else ""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the name that may have been meant, None where none is like it."""
    import difflib  # a configuration without mistakes does without

    return next(iter(difflib.get_close_matches(name, list(candidates), n=1)), None)


class TableMistakes(ValueError):
    """Mistakes that a class finds in its table as a whole: raise it in ``__attrs_post_init__``.

    Attributes:
        found: the path in the table and the message of each mistake.
    """

    def __init__(self, found: Iterable[tuple[tuple[str | int, ...], str]]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(str(Problem(path, words)) for path, words in self.found))


class Problems(Exception):
    """The mistakes found in one value."""

    def __init__(self, found: Iterable[Problem]) -> None:
        super().__init__()
        self.found = tuple(found)

    @classmethod
    def here(cls, message: str) -> Problems:
        """Return one mistake, of the value itself."""
        return cls((Problem((), message),))

    def under(self, step: str | int) -> Iterator[Problem]:
        """Yield the same mistakes as seen from one level further up."""
        return (replace(problem, path=(step, *problem.path)) for problem in self.found)


def shared_problems(found: Collection[Collection[Problem]]) -> list[Problem]:
    """Return the mistakes in a table that several classes were read from.

    A key is unknown where it is unknown to all of them; every other mistake counts.
    """
    candidates: dict[tuple[str | int, ...], list[tuple[str, ...]]] = {}
    others: dict[tuple[str | int, ...], Problem] = {}
    for problem in (problem for problems in found for problem in problems):
        if problem.candidates is None:
            others.setdefault(problem.path, problem)
        else:
            candidates.setdefault(problem.path, []).append(problem.candidates)
    unknown = [
        Problem(path, "unknown key", tuple(name for names in lists for name in names))
        for path, lists in candidates.items()
        if len(lists) == len(found)
    ]
    return [*others.values(), *unknown]


def without(value: object, paths: Set[tuple[str | int, ...]], at: tuple[Any, ...] = ()) -> object:
    """Return the value without what stands at the paths."""
    if isinstance(value, collections.abc.Mapping):
        return {
            key: without(item, paths, (*at, key))
            for key, item in value.items()
            if (*at, key) not in paths
        }
    if isinstance(value, (list, tuple)):
        return [without(item, paths, (*at, index)) for index, item in enumerate(value)]
    return value
