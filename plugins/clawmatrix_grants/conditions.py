"""What a rule says of an argument: whether it holds, does not, or cannot be told.

It cannot be told where the argument is missing or null, is of another kind than the rule expects,
or is a path that leads through ``.`` or ``..`` where the rule names folders. An allow or an ask
then does not apply, and a deny does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, Self

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
    "Text",
    "matcher_of",
]

DEPTH: Final = 16
"""Lists and tables within each other that a condition may have."""


class Matcher(Protocol):
    """Compares one argument."""

    def holds(self, value: JSON) -> bool | None:
        """Say whether it holds; None where that cannot be told."""


@attrs.frozen
class Anything:
    """Holds for whatever is there."""

    def holds(self, value: JSON) -> bool | None:
        """See ``Matcher``."""
        return None if value is None else True


@attrs.frozen
class Never:
    """Holds for nothing: a program that is not on this machine."""

    def holds(self, value: JSON) -> bool | None:
        """See ``Matcher``."""
        return None if value is None else False


@attrs.frozen
class Exactly:
    """Holds for one number, or for one of true and false."""

    value: float | bool

    def holds(self, value: JSON) -> bool | None:
        """See ``Matcher``."""
        if not isinstance(value, int | float) or isinstance(value, bool) != isinstance(
            self.value, bool
        ):
            return None
        return value == self.value


@attrs.frozen
class Text:
    """Holds for texts that match a pattern."""

    glob: Glob
    _fixed: str | None = attrs.field(init=False, eq=False)
    _folders: bool = attrs.field(init=False, eq=False)

    @_fixed.default
    def _find_fixed(self) -> str | None:
        return self.glob.fixed

    @_folders.default
    def _look_for_folders(self) -> bool:
        return "/" in self.glob.text

    def holds(self, value: JSON) -> bool | None:
        """See ``Matcher``."""
        if not isinstance(value, str):
            return None
        if self._folders and ("." in value or "//" in value) and not is_plain(value):
            return True if value == self._fixed else None
        return value == self._fixed if self._fixed is not None else self.glob.matches(value)


@attrs.frozen
class OneOf:
    """Holds where one of several does."""

    matchers: tuple[Matcher, ...]

    def holds(self, value: JSON) -> bool | None:
        """See ``Matcher``. What one of them can tell, this one can."""
        found = None
        for matcher in self.matchers:
            told = matcher.holds(value)
            if told:
                return True
            found = told if found is None else found
        return found


@attrs.frozen
class Each:
    """Holds for a list whose elements match one by one; ``rest`` says that more may follow."""

    matchers: tuple[Matcher, ...]
    rest: bool = False

    def holds(self, value: JSON) -> bool | None:
        """See ``Matcher``."""
        if not isinstance(value, list | tuple):
            return None
        least, most = len(self.matchers), len(value)
        if most < least or (most > least and not self.rest):
            return False
        sure = True
        for matcher, item in zip(self.matchers, value, strict=False):
            told = matcher.holds(item)
            if told is False:
                return False
            sure = sure and told is True
        return True if sure else None


@attrs.frozen
class Within:
    """Holds for a table whose values match, those of other keys aside."""

    matchers: Mapping[str, Matcher]

    def holds(self, value: JSON) -> bool | None:
        """See ``Matcher``."""
        if not isinstance(value, Mapping):
            return None
        told = {matcher.holds(value.get(key)) for key, matcher in self.matchers.items()}
        return False if False in told else None if None in told else True


@attrs.frozen
class Condition:
    """What stands in ``when`` behind the name of an argument.

    Attributes:
        value: as it is written.
        matcher: what it means.
    """

    config_words: ClassVar[str] = "text, a number, true or false, a list or a table"

    value: JSON
    matcher: Matcher = attrs.field(eq=False, repr=False)

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
        return Exactly(value)
    if isinstance(value, Mapping):
        return Within({str(key): matcher_of(one, depth + 1) for key, one in value.items()})
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
