"""Which member of a union a value is meant as, so that a value is read once and not in all ways.

A list is read as the one kind of list in a union, and a table as the one class or mapping. Of
several classes a table is meant as the one whose ``Literal`` fields have its words and whose
required keys are in it. Where no table could tell two members apart, the union is refused.
"""

from __future__ import annotations

import collections.abc
import itertools
import typing
from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.config.kinds import (
    choices_of,
    fields_of,
    is_choice,
    is_list,
    is_mapping,
    is_own,
    plain_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["check_union", "members_for"]


def members_for(members: Sequence[Any], value: object) -> Iterator[Any]:
    """Yield the members to try for a value; at most one of them looks into the value."""
    if isinstance(value, collections.abc.Mapping):
        chosen = _class_for([member for member in members if _is_table(member)], value)
    else:
        chosen = next((member for member in members if is_list(plain_type(member))), None)
    for member in members:
        if member is chosen or not (_is_table(member) or is_list(plain_type(member))):
            yield member


def check_union(union: Any) -> None:
    """Raises: TypeError, where a list or table may be meant as two of the members."""
    members = typing.get_args(union)
    if len([member for member in members if is_list(plain_type(member))]) > 1:
        raise TypeError("a union can have one kind of list only")
    for one, other in itertools.combinations(filter(_is_table, members), 2):
        if not _told_apart(plain_type(one), plain_type(other)):
            raise TypeError(
                f"nothing tells {_name(one)} from {_name(other)} in a union: give each a Literal"
                " field with a word of its own, or a required key that the other has not"
            )


def _name(member: Any) -> str:
    return getattr(plain_type(member), "__qualname__", None) or str(member)


def _is_table(member: Any) -> bool:
    kind = plain_type(member)
    return is_mapping(kind) or (attrs.has(kind) and not is_own(kind))


def _told_apart(one: Any, other: Any) -> bool:
    if is_mapping(one) or is_mapping(other):
        return False
    words, others = _words_of(one), _words_of(other)
    shared = words.keys() & others.keys()
    if any(not any(_is_word(w, others[key]) for w in words[key]) for key in shared):
        return True
    required = _required(one) - _keys(other), _required(other) - _keys(one)
    return any(required)


def _class_for(classes: Sequence[Any], value: Mapping[Any, object]) -> Any:
    """Return the class that fits best; of two that fit alike, the first."""
    if len(classes) < 2:
        return classes[0] if classes else None

    def fit(member: Any) -> tuple[bool, bool, int]:
        kind = plain_type(member)
        words, required = _words_of(kind), _required(kind)
        said = all(_is_word(value[key], words[key]) for key in words if key in value)
        there = sum(key in value for key in required)
        return said, there == len(required), there

    return max(classes, key=fit)


def _is_word(value: object, words: Sequence[object]) -> bool:
    return any(type(value) is type(word) and value == word for word in words)


def _words_of(cls: Any) -> dict[str, Sequence[object]]:
    """Return what each field of a class allows that is a ``Literal`` or ``Enum``."""
    return {
        str(field.alias): [c.value if isinstance(c, Enum) else c for c in choices_of(kind)]
        for field in fields_of(cls)
        if is_choice(kind := plain_type(field.type))
    }


def _keys(cls: Any) -> set[str]:
    return {str(field.alias) for field in fields_of(cls)}


def _required(cls: Any) -> set[str]:
    return {
        str(field.alias)
        for field in fields_of(cls)
        if field.default is attrs.NOTHING and not field.metadata.get("rest")
    }
