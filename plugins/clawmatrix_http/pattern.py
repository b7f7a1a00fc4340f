"""A path with parameters, as Starlette writes it: what it matches, and which others it covers."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.convertors import (
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    StringConvertor,
    UUIDConvertor,
)
from starlette.routing import PARAM_REGEX, compile_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.convertors import Convertor

__all__ = ["Pattern"]

_NAME = re.compile(r"\?P<\w+>")
_TRIED = 256

# Texts that each kind of parameter takes. A pattern that matches all of them has a parameter as
# wide in the same place: nobody writes the private characters in a path.
_EXAMPLES: Final[Mapping[type[Convertor[Any]], tuple[str, ...]]] = {
    StringConvertor: ("\ue000", "\ue001\ue002"),
    PathConvertor: ("", "/", "\ue000", "\ue001/\ue002"),
    IntegerConvertor: ("0", "12"),
    FloatConvertor: ("0", "1.2"),
    UUIDConvertor: ("0" * 32, "ffffffff-ffff-ffff-ffff-ffffffffffff"),
}


class Pattern(msgspec.Struct, frozen=True):
    """A compiled path.

    Attributes:
        text: how it is written.
        regex: matches the paths, with a group for each parameter.
        convertors: returns the value of each parameter.
    """

    text: str
    regex: re.Pattern[str]
    convertors: dict[str, Convertor[Any]]

    @classmethod
    def compile(cls, text: str) -> Pattern:
        """Return the pattern of a path. Raises: ValueError, AssertionError, for no pattern."""
        regex, _, convertors = compile_path(text)
        return cls(text, regex, convertors)

    def params(self, path: str) -> dict[str, Any] | None:
        """Return the parameters in a path, None where the path does not match."""
        match = self.regex.fullmatch(path)
        if match is None:
            return None
        found = match.groupdict().items()
        try:
            return {name: self.convertors[name].convert(text) for name, text in found}
        except Exception:  # noqa: BLE001 - the guard has not looked at the request yet
            return None  # a number of thousands of digits, say

    def covers(self, other: Pattern) -> bool:
        """Say whether each path that the other one matches is matched by this one.

        A parameter of a kind that a plugin added is covered by the same pattern only, whatever
        the parameters are called.
        """
        if _shape(self.regex) == _shape(other.regex):
            return True
        examples = list(itertools.islice(other._examples(), _TRIED))
        return bool(examples) and all(self.regex.fullmatch(one) for one in examples)

    def _examples(self) -> Iterator[str]:
        """Yield paths that this one matches; none where a parameter's kind is not known."""
        names = [match.group(1) for match in PARAM_REGEX.finditer(self.text)]
        pieces = PARAM_REGEX.split(self.text)[:: PARAM_REGEX.groups + 1]
        kinds = [_EXAMPLES.get(type(self.convertors[name]), ()) for name in names]
        for values in itertools.product(*kinds):
            yield "".join(itertools.chain(*zip(pieces, (*values, ""), strict=True)))


def _shape(regex: re.Pattern[str]) -> str:
    return _NAME.sub("", regex.pattern)
