"""What a rule says of an argument: whether it holds, does not, or cannot be told.

It cannot be told where the argument is missing or null, is of another kind than the rule expects,
or is a path that leads through ``.`` or ``..`` where the rule names folders. An allow then does not
apply, and a deny does. An ask does where an allow applies too, which it beats. So each matcher
makes two functions: one says whether it surely holds, the other whether it may.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self, TypeAlias

import attrs

from clawmatrix_grants.globs import ANYTHING, Glob, is_plain

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = [
    "Anything",
    "Condition",
    "Each",
    "Exactly",
    "Matcher",
    "Never",
    "OneOf",
    "Predicate",
    "Predicates",
    "Text",
    "Within",
    "cost",
    "holds",
    "matcher_of",
]

DEPTH: Final = 16
"""Lists and tables within each other that a condition may have."""

Predicate: TypeAlias = "Callable[[JSON], bool]"


class Matcher(Protocol):
    """Compares one argument."""

    def predicate(self, *, sure: bool) -> Predicate:
        """Return what says whether a value holds surely, or else whether it may."""


def holds(matcher: Matcher, value: JSON) -> bool | None:
    """Say whether a value holds; None where that cannot be told."""
    if matcher.predicate(sure=True)(value):
        return True
    return None if matcher.predicate(sure=False)(value) else False


@attrs.frozen
class Anything:
    """Holds for whatever is there."""

    def predicate(self, *, sure: bool) -> Predicate:
        """See ``Matcher``."""
        return lambda value: value is not None or not sure


@attrs.frozen
class Never:
    """Holds for nothing: a program that is not on this machine."""

    def predicate(self, *, sure: bool) -> Predicate:
        """See ``Matcher``."""
        return lambda value: value is None and not sure


@attrs.frozen
class Exactly:
    """Holds for one number, or for one of true and false."""

    value: float
    is_bool: bool = False

    def predicate(self, *, sure: bool) -> Predicate:
        """See ``Matcher``."""
        expected, is_bool = self.value, self.is_bool

        def compare(value: JSON) -> bool:
            if isinstance(value, int | float) and isinstance(value, bool) == is_bool:
                return value == expected
            return not sure

        return compare


@attrs.frozen
class Text:
    """Holds for texts that match a pattern."""

    glob: Glob

    def predicate(self, *, sure: bool) -> Predicate:
        """See ``Matcher``."""
        glob, fixed, prefix = self.glob, self.glob.fixed, self.glob.prefix
        folders = "/" in glob.text
        if sure and fixed is not None:
            return lambda value: value == fixed
        if sure:
            return lambda value: (
                isinstance(value, str)
                and value.startswith(prefix)
                and glob.expression.match("/" + value) is not None
                and (not folders or is_plain(value))
            )
        return lambda value: (
            not isinstance(value, str)
            or (value.startswith(prefix) and glob.matches(value))
            or (folders and not is_plain(value))
        )


@attrs.frozen
class OneOf:
    """Holds where one of several does. What one of them can tell, this one can."""

    matchers: tuple[Matcher, ...]

    def predicate(self, *, sure: bool) -> Predicate:
        """See ``Matcher``."""
        fixed = frozenset(text for one in self.matchers if (text := _fixed(one)) is not None)
        surely = tuple(one.predicate(sure=True) for one in self.matchers if _fixed(one) is None)
        maybe = () if sure else tuple(one.predicate(sure=False) for one in self.matchers)

        def compare(value: JSON) -> bool:
            if isinstance(value, str) and value in fixed:
                return True
            for one in surely:
                if one(value):
                    return True
            return not sure and all(one(value) for one in maybe)

        return compare


@attrs.frozen
class Each:
    """Holds for a list whose elements match one by one; ``rest`` says that more may follow."""

    matchers: tuple[Matcher, ...]
    rest: bool = False

    def predicate(self, *, sure: bool) -> Predicate:
        """See ``Matcher``."""
        made = [(place, one, one.predicate(sure=sure)) for place, one in enumerate(self.matchers)]
        texts = tuple(
            (place, text, test) for place, one, test in made if (text := _fixed(one)) is not None
        )
        others = sorted(
            (one for one in made if _fixed(one[1]) is None), key=lambda one: cost(one[1])
        )
        tests = tuple((place, test) for place, _, test in others)
        least, rest = len(self.matchers), self.rest

        def compare(value: JSON) -> bool:
            if not isinstance(value, list | tuple):
                return not sure
            length = len(value)
            if length != least and (length < least or not rest):
                return False
            for place, text, test in texts:  # without a call, where it is as it should be
                item = value[place]
                if item != text and (sure or not test(item)):
                    return False
            for place, test in tests:  # noqa: SIM110 - all() would take twice as long
                if not test(value[place]):
                    return False
            return True

        return compare


@attrs.frozen
class Within:
    """Holds for a table whose values match, those of other keys aside."""

    matchers: tuple[tuple[str, Matcher], ...]

    def predicate(self, *, sure: bool) -> Predicate:
        """See ``Matcher``."""
        tests = tuple((key, one.predicate(sure=sure)) for key, one in self.matchers)

        def compare(value: JSON) -> bool:
            if not isinstance(value, Mapping):
                return not sure
            return all(test(value.get(key)) for key, test in tests)

        return compare


class Predicates:
    """Makes one function of all conditions that are alike: a decision then asks it once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Matcher, bool], Predicate] = {}

    def of(self, name: str, matcher: Matcher, *, sure: bool) -> Predicate:
        """Return what compares an argument; see ``Matcher.predicate``."""
        key = name, matcher, sure
        if key not in self._made:
            self._made[key] = matcher.predicate(sure=sure)
        return self._made[key]


def cost(matcher: Matcher) -> int:
    """Return how long a comparison takes, to have the fast ones first."""
    if _fixed(matcher) is not None:
        return 0
    return 1 if not isinstance(matcher, Each | Within) else 2


def _cost_of_made(made: tuple[int, Matcher, Predicate]) -> int:
    return cost(made[1])


def _fixed(matcher: Matcher) -> str | None:
    return matcher.glob.fixed if isinstance(matcher, Text) else None


@attrs.frozen
class Condition:
    """What stands in ``when`` behind the name of an argument.

    Attributes:
        value: as it is written.
        matcher: what it means.
    """

    config_words: ClassVar[str] = "text, a number, true or false, a list or a table"

    value: JSON
    matcher: Matcher = attrs.field(repr=False)

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the condition. Raises: ValueError, TypeError."""
        return value if isinstance(value, cls) else cls.of(value)

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return the condition that is written so. Raises: ValueError, TypeError."""
        return cls(value, matcher_of(value))


def matcher_of(value: Any, depth: int = 0) -> Matcher:
    """Return what a value in ``when`` means. Raises: ValueError; TypeError, for another kind."""
    if depth > DEPTH:
        raise ValueError("is nested too deep")
    if isinstance(value, str):
        return _text_matcher(value)
    if isinstance(value, bool | int | float):
        if not math.isfinite(value):
            raise ValueError("expected a finite number")
        return Exactly(value, isinstance(value, bool))
    if isinstance(value, Mapping):
        return Within(tuple((str(key), matcher_of(one, depth + 1)) for key, one in value.items()))
    if isinstance(value, list | tuple):
        return _list_matcher(value, depth)
    raise TypeError


@lru_cache(maxsize=4096)
def _text_matcher(text: str) -> Matcher:
    """Return what a text in ``when`` means. Raises: ValueError."""
    if text == ANYTHING:
        return Anything()
    try:
        return Text(Glob(text))
    except ValueError as error:
        raise ValueError(f'"{text[:60]}" {error}') from None


def _list_matcher(values: Sequence[Any], depth: int) -> Matcher:
    rest = bool(values) and values[-1] == ANYTHING
    items = values[:-1] if rest else values
    if ANYTHING in items:
        raise ValueError('"**" stands for the rest of a list, and only at its end')
    return Each(tuple(_item_matcher(one, depth + 1) for one in items), rest)


def _item_matcher(value: Any, depth: int) -> Matcher:
    if not isinstance(value, list | tuple):
        return matcher_of(value, depth)
    if not value:
        raise ValueError("a list in a list is one of these, and this one has nothing in it")
    if any(isinstance(one, list | tuple) for one in value):
        raise ValueError("a list in a list is one of these, and has no list in it")
    return OneOf(tuple(matcher_of(one, depth + 1) for one in value))
