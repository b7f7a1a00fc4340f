"""Payloads as attrs classes, out and in; on the wire they are JSON objects.

The rules are those of the configuration: each value is taken strictly as what it is, and every
mistake is named by its path. Two differ. A key that no field has is passed over, so that a newer
node may say more to an older one. And a message never repeats a value, which may be anybody's
words; an entry of an object whose keys are anybody's is named by its place, counted from 0.
"""

from __future__ import annotations

import functools
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import cattrs
import msgspec

from clawmatrix_core.base.errors import LocalProtocolError, WrongShape
from clawmatrix_core.base.text import NOT_UTF8
from clawmatrix_core.config.messages import Problems, Wording, format_path, in_words, listed
from clawmatrix_core.config.reader import make_converter
from clawmatrix_core.config.schema import check_class
from clawmatrix_core.config.types import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core.base.json_value import JSON

__all__ = ["check_shape", "encode", "read_as"]

T = TypeVar("T")

MOST = 8
"""Mistakes that an error tells of."""
_LINE = 200
"""Characters that the path and the message of a mistake have at most."""

_encode = msgspec.json.Encoder().encode

_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


class _WireWording(Wording):
    """What is said of a wrong value in a payload: of which kind it is, not what it says."""

    def expected(self, kind: Any, value: object, *, hidden: bool = False) -> str:
        return f"expected {in_words(kind, 'an object')}, not {_KINDS.get(type(value), 'bytes')}"

    def not_a_choice(self, kind: Any, value: object) -> str:
        return f"expected one of {listed(kind)}"

    def refused(self, error: Exception, field: attrs.Attribute[Any] | None = None) -> str:
        rule = field and _rule(field.validator)
        return f"must be {rule}" if rule else "has a value that is not allowed"

    def entry(self, key: str, place: int) -> str | int:
        return place


def _rule(validator: Any) -> str | None:
    """Return what a validator of attrs allows, in words; a validator's error repeats the value."""
    if type(validator).__module__ != attrs.validators.in_.__module__:
        validator = None
    match validator:
        case object(compare_op=str(sign), bound=bound):
            return f"{sign} {bound!r}"
        case object(options=options):
            return f"one of {', '.join(map(repr, options))}"
        case object(pattern=pattern):
            return f"text that matches {pattern.pattern!r}"
        case object(member_validator=member, iterable_validator=None):
            rule = _rule(member)
            return rule and f"a list, each {rule}"
        case object(validator=inner):
            return _rule(inner)
    return None


_reader = make_converter(Source(base=Path()), words=_WireWording(), lenient=True, most=MOST)


def _make_writer() -> cattrs.Converter:
    writer = cattrs.Converter(use_alias=True, unstruct_collection_overrides={frozenset: list})
    writer.register_unstructure_hook(Enum, lambda choice: choice.value)
    return writer


_writer = _make_writer()


_check = functools.cache(functools.partial(check_class, payload=True))


def check_shape(shape: type) -> None:
    """Raises: TypeError, unless a payload can be read as the class."""
    _check(shape)


def encode(payload: JSON) -> bytes:
    """Return a payload as JSON; an instance of an attrs class becomes an object.

    Raises: TypeError, for a value unfit for JSON; LocalProtocolError, for text that is not UTF-8.
    """
    if type(payload) is not dict and hasattr(type(payload), "__attrs_attrs__"):
        payload = _writer.unstructure(payload)
    try:
        return _encode(payload)
    except UnicodeEncodeError:
        raise LocalProtocolError(f"a text of the payload {NOT_UTF8}") from None


def read_as(shape: type[T], payload: JSON, what: str, *, code: str) -> T:
    """Return a payload as an attrs class.

    Raises: WrongShape, with the code and a line for each mistake, of which ``what`` is the first
        word; TypeError, where no payload can be read as the class.
    """
    check_shape(shape)
    try:
        return _reader.structure(payload, shape)
    except Problems as problems:
        found = problems.found
    except RecursionError:
        raise WrongShape(code, [f"{what}: is nested too deep"]) from None
    raise WrongShape(
        code, [_line((what, *problem.path), problem.message) for problem in found[:MOST]]
    )


def _line(path: Sequence[str | int], message: str) -> str:
    where, message = format_path(path), message[: _LINE // 2]
    room = _LINE - len(message) - len(": ")
    return f"{where if len(where) <= room else where[: room - 1] + '…'}: {message}"
