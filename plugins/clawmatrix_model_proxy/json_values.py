"""Decoding JSON that others wrote: no text has more values than are decoded in a moment.

A byte of JSON may become an object of a hundred bytes, and decoding it holds the interpreter for
all of its call, in whichever thread. So the values of a text are counted before it is decoded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = [
    "NOT_JSON",
    "VALUES",
    "TooManyValues",
    "decode",
    "decode_numbers",
    "has_more_values",
    "marks_in",
]

VALUES = Bound(
    131_072,
    "values in one JSON text that is decoded: a request or an answer that is converted, an event,"
    " a list of models",
    fed_by="a client, an upstream or a member",
    when_full="the request is refused and names the bound, an answer or a list is none, an event is"
    " cut out",
)
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What ``decode`` raises."""

_SHORT = 2 * VALUES
"""Bytes in which there cannot be more values: each has a byte, and a mark before or behind it."""
_EXACT = 1024 * 1024
"""Bytes of a text from which on marks in strings are told from others. In a shorter one with so
many marks there is little else."""
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\[\s\S]?)*+(?:"|\Z)|[\[{,]')
"""A string, or a mark that stands before a value. A string always matches, ended or not, so that
no byte is looked at twice."""
_BRACKETS = b"[{"
_decode = msgspec.json.Decoder().decode


class TooManyValues(msgspec.DecodeError):
    """A text has more than VALUES values."""


def decode(data: bytes) -> JSON:
    """Return the value of a text.

    Raises: TooManyValues; msgspec.DecodeError; UnicodeDecodeError; RecursionError, for a text that
        is nested too deep.
    """
    if len(data) > _SHORT and has_more_values(data):
        raise TooManyValues(f"it has more than {VALUES.text} values")
    decoded: Any = _decode(data)
    return decoded


def decode_numbers(data: bytes) -> JSON:
    """Return the value of a text in which just the objects and lists are counted.

    For answers with embeddings, which have millions of numbers: those take little. Raises: as
    ``decode``.
    """
    if len(data) > _SHORT and has_more_values(data, _BRACKETS):
        raise TooManyValues(f"it has more than {VALUES.text} objects and lists")
    decoded: Any = _decode(data)
    return decoded


def has_more_values(data: bytes, marks: bytes = _BRACKETS + b",") -> bool:
    """Say whether a text has more than VALUES marks outside of its strings."""
    if sum(data.count(mark) for mark in marks) <= VALUES:
        return False
    if len(data) <= _EXACT:
        return True
    found = 0
    for token in _TOKENS.finditer(data):
        if data[token.start()] in marks:
            found += 1
            if found > VALUES:
                return True
    return False


def marks_in(text: str) -> int:
    """Return how many values a text that is JSON has at most; it may be that of a string."""
    return text.count(",") + text.count("[") + text.count("{")
