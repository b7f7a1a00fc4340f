"""The head of an answer, checked before any of it is sent.

Endpoints are other people's code, and put texts of yet others into headers. A wrong one that
reached the connection would end it in the middle of the head, without an answer.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message

__all__ = ["BadAnswerHead", "check_head", "lines_of"]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection"))
_LENGTH = re.compile(rb"[0-9]{1,18}")


class BadAnswerHead(ValueError):
    """The status or a header of an answer is none; the route that made it is to blame."""


def check_head(message: Message) -> None:
    """Check the message with which an answer begins. Raises: BadAnswerHead."""
    status = message.get("status")
    # Starlette takes a status of the standard library's HTTPStatus, which is an int as well.
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise BadAnswerHead(f"its status is {status!r}, and no number from 200 to 599")
    values = []
    try:
        headers = list(message.get("headers", ()))
        for _, value in headers:
            values.append(value)
    except (TypeError, ValueError):
        raise BadAnswerHead("its headers are no pairs of a name and a value") from None
    lines = _are_lines(values)
    lengths = 0
    for name, value in headers:
        is_length = _is_length(name) if isinstance(name, bytes) else _wrong(name)
        if not lines and (not isinstance(value, bytes) or _VALUE.fullmatch(value) is None):
            raise BadAnswerHead(f"the value of its header {_show(name)} is no line of text")
        if is_length:
            lengths += 1
            if _LENGTH.fullmatch(value) is None or lengths > 1:
                raise BadAnswerHead("its content-length is no single whole number")


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes] | None:
    """Return headers as they are sent.

    None where one cannot be sent, which ``check_head`` finds as well, or is about the framing.
    """
    lines: list[bytes] = []
    values: list[bytes] = []
    try:
        for name, value in headers:
            beginning = _begin(name)
            if beginning is None:
                return None
            values.append(value)
            lines += (beginning, value, b"\r\n")
    except (TypeError, ValueError):
        return None
    return lines if _are_lines(values) else None


def _are_lines(values: list[bytes]) -> bool:
    """Say whether all values are right, at the price of looking at one."""
    try:
        return _VALUE.fullmatch(b" ".join(values)) is not None
    except TypeError:  # one is no bytes
        return False


@lru_cache(maxsize=256)  # the names are few; a wrong one raises, and is not kept
def _is_length(name: bytes) -> bool:
    """Say whether a header is the length of the body. Raises: BadAnswerHead, for a wrong name."""
    if _NAME.fullmatch(name) is None:
        _wrong(name)
    return name.lower() == b"content-length"


@lru_cache(maxsize=256)
def _begin(name: bytes) -> bytes | None:
    """Return how the line of a header begins; None for one about the framing, or a wrong one."""
    if _NAME.fullmatch(name) is None:
        return None
    lower = name.lower()
    return None if lower in _FRAMING else lower + b": "


def _wrong(name: object) -> NoReturn:
    raise BadAnswerHead(f"the name of its header {_show(name)} is no word of HTTP")


def _show(name: object) -> str:
    return f"{name!r:.80}"
