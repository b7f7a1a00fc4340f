"""What an API takes of a request that others say in the same words: lengths, letters, limits.

Each API has its rules as data, in a file of its own. ``convert.fit`` makes a request keep to them
before the API's codec writes it, so that what is valid for a client is valid for the upstream.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping  # noqa: TC003 - part of the values
from functools import cached_property

import attrs

__all__ = ["NO_RULES", "ApiRules", "Range", "SchemaRules", "StopRules", "ThinkingRules", "Words"]


@attrs.frozen(slots=False)
class Words:
    """The letters and the length of a name.

    Attributes:
        letters: what it may be made of, as in the brackets of a pattern: ``a-zA-Z0-9_-``. There
            are ``a-f``, ``0-9`` and ``_`` among it, of which the node makes other names.
        most: characters that it may have, 12 at least; there is at least one.
        first: what it may begin with, None for all ``letters``.

    Raises: ValueError.
    """

    letters: str = attrs.field()
    most: int = attrs.field(validator=attrs.validators.ge(12))
    first: str | None = None

    @letters.validator
    def _check_letters(self, _: attrs.Attribute[str], value: str) -> None:
        if not re.fullmatch(f"[{value}]*", "_0123456789abcdef"):
            raise ValueError(f"letters must have a-f, 0-9 and _ among them, not {value!r}")

    @cached_property
    def _whole(self) -> re.Pattern[str]:
        first = self.first or self.letters
        return re.compile(rf"[{first}][{self.letters}]{{0,{self.most - 1}}}")

    def take(self, name: str) -> bool:
        """Say whether a name is one."""
        return self._whole.fullmatch(name) is not None

    def with_other_letters(self, name: str) -> str:
        """Return a name with ``_`` for what it may not be made of, and where it begins wrong."""
        kept = re.sub(rf"[^{self.letters}]", "_", name)
        wrong = self.first is not None and not re.match(rf"[{self.first}]", kept)
        return f"_{kept}" if wrong else kept


@attrs.frozen
class Range:
    """The least and the most that a number may be."""

    least: float = -math.inf
    most: float = math.inf

    def nearest(self, value: float) -> float:
        """Return a number, or the end of the range that is nearest to it."""
        return min(max(value, self.least), self.most)


@attrs.frozen
class StopRules:
    """Which sequences that stop an answer the API takes; this node cuts at the others.

    Attributes:
        most: how many.
        blank: whether one may have nothing but white space in it.
    """

    most: int
    blank: bool = True


@attrs.frozen
class SchemaRules:
    """What the JSON schema of a tool, or of an answer, has to have.

    Attributes:
        typed: the schema of a tool says that it is of an object.
        properties: it says which properties there are, if only ``{}``.
        items: each array within says what is in it, if only ``{}``.
        plain: its outermost level has no ``anyOf``, ``oneOf``, ``allOf`` and ``$ref``.
        all_required: of a strict schema every property is required, and no others are allowed.
        closed: of a strict schema, and of an answer's, no other properties are allowed.
    """

    typed: bool = True
    properties: bool = True
    items: bool = False
    plain: bool = True
    all_required: bool = False
    closed: bool = False


@attrs.frozen
class ThinkingRules:
    """What the API refuses together with thinking; the thinking gives way.

    Attributes:
        forced_tool: a tool that must be asked for.
        sampling: settings, each with the values that it may have.
        absent: settings that may not be there.
        budget: the least budget of thoughts, in tokens; the limit of the answer is above it.
    """

    forced_tool: bool = True
    sampling: Mapping[str, Range] = attrs.field(factory=dict)
    absent: tuple[str, ...] = ()
    budget: int = 1


@attrs.frozen
class ApiRules:
    """The rules of one API. What is None, empty or False has none.

    Attributes:
        call_ids: ids of calls, of which no two in a conversation are the same. Ids that differ stay
            different.
        tool_names: names of tools; an answer's calls come back with the names that the client gave.
        format_names: names of the shapes of answers.
        lengths: the most characters of settings that name somebody; a hash takes their place.
        ranges: numbers; one beyond its range becomes the nearest within.
        together: settings of which the API takes one; the first goes before the second.
        stops: None where the codec writes, or refuses, the sequences that stop an answer.
        json: whether the API takes the wish for JSON without a schema; else this node looks at the
            answer.
        schemas: None for any.
        thinking: None where thinking goes with all else.
    """

    call_ids: Words | None = None
    tool_names: Words | None = None
    format_names: Words | None = None
    lengths: Mapping[str, int] = attrs.field(factory=dict)
    ranges: Mapping[str, Range] = attrs.field(factory=dict)
    together: tuple[tuple[str, str], ...] = ()
    stops: StopRules | None = None
    json: bool = True
    schemas: SchemaRules | None = None
    thinking: ThinkingRules | None = None


NO_RULES = ApiRules()
"""Those of an API that says nothing of its own."""
