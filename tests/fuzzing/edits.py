"""Changes to an input: small ones of bytes, and of the values in whatever JSON it has.

An edit is three numbers, so that Hypothesis can shrink it, a script can carry it, and a seed
gives the same one again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

__all__ = ["KINDS", "Edit", "edited", "random_edits"]


@attrs.frozen
class Edit:
    """A change: its kind, where, and by what. The numbers may be any from 0."""

    kind: int
    at: int
    value: int


DEEP = 3000
"""Levels of nesting that are too many for Python and for msgspec."""
TOKENS = (
    b"",
    b"\x00",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # half a surrogate pair
    "\u2028\U0001f600\x7f".encode(),
    b'"',
    b"{",
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b"data: ",
    b"data: [DONE]\n\n",
    b"[DONE]",
    b"null",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"9007199254740993",
    b"18446744073709551616",
    b"\\ud800",
    b"\\u0000",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"0\r\n\r\n",
    b"A" * 5000,
)
"""What tends to be handled badly."""
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**53,
    2**64,
    10**400,
    0.5,
    -0.0,
    1e308,
    "",
    "x",
    "\x00",
    "\u2028\U0001f600\r\n",
    "a" * 5000,
    "9" * 5000,
    "tool",
    "assistant",
    [],
    {},
    [[]],
    [{}],
    {"type": "text"},
    {"": None},
    [None, 1, "x", [], {}],
)
"""What may stand in JSON where something else is expected."""
_STARTS = re.compile(rb"[{\[]")


def edited(data: bytes, edits: Sequence[Edit], others: Sequence[bytes] = ()) -> bytes:
    """Return an input with some changes; parts of others may come into it."""
    for edit in edits:
        data = KINDS[edit.kind % len(KINDS)](data, edit.at, edit.value, others)
    return data


def random_edits(random: Random) -> list[Edit]:
    """Return one to four changes."""
    return [
        Edit(random.randrange(256), random.randrange(65536), random.randrange(65536))
        for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4)))
    ]


# --- bytes


def _flip(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    if not data:
        return bytes([value & 255])
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1 << value % 8]) + data[at + 1 :]


def _set(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    at %= len(data) + 1
    return data[:at] + bytes([value & 255]) + data[at + 1 :]


def _cut(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    at %= len(data) + 1
    return data[:at] + data[at + 1 + value % 32 :]


def _truncate(data: bytes, at: int, _: int, __: Sequence[bytes]) -> bytes:
    return data[: at % (len(data) + 1)]


def _insert(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    at %= len(data) + 1
    return data[:at] + TOKENS[value % len(TOKENS)] + data[at:]


def _repeat(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    at %= len(data) + 1
    part = data[at : at + 1 + value % 64]
    return data[:at] + part * (2 + value // 64 % 4) + data[at + len(part) :]


def _swap_lines(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    one, other = at % len(lines), value % len(lines)
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _repeat_line(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    lines[value % len(lines) : 0] = [lines[at % len(lines)]]
    return b"\n".join(lines)


def _drop_line(data: bytes, at: int, _: int, __: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    del lines[at % len(lines)]
    return b"\n".join(lines)


def _splice(data: bytes, at: int, value: int, others: Sequence[bytes]) -> bytes:
    if not others:
        return data
    other = others[value % len(others)]
    return data[: at % (len(data) + 1)] + other[at * 31 % (len(other) + 1) :]


# --- values in JSON


def _change_value(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    return _in_json(data, at, lambda _: VALUES[value % len(VALUES)])


def _drop_value(data: bytes, at: int, _: int, __: Sequence[bytes]) -> bytes:
    return _in_json(data, at, lambda _: _DROPPED)


def _deepen_value(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    levels = (1, 20, 200)[value % 3]

    def deepen(inner: Any) -> Any:
        for _ in range(levels):
            inner = {"a": inner} if value & 64 else [inner]
        return inner

    return _in_json(data, at, deepen)


def _double_value(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    return _in_json(data, at, lambda inner: [inner] * (2 + value % 3))


def _rename_member(data: bytes, at: int, value: int, _: Sequence[bytes]) -> bytes:
    def rename(inner: Any) -> Any:
        if not isinstance(inner, dict) or not inner:
            return VALUES[value % len(VALUES)]
        names = list(inner)
        moved, taken = names[value % len(names)], names[value // 7 % len(names)]
        return {**inner, taken: inner[moved]}

    return _in_json(data, at, rename)


_DROPPED = object()


def _in_json(data: bytes, at: int, change: Callable[[Any], Any]) -> bytes:
    """Change one value of one of the JSON texts that are whole lines, or the ends of lines."""
    lines = data.split(b"\n")
    for shift in range(min(len(lines), 8)):
        number = (at + shift) % len(lines)
        start = _STARTS.search(lines[number])
        if start is None:
            continue
        try:
            value = json.loads(lines[number][start.start() :])
        except (ValueError, RecursionError):
            continue
        places = _count(value)
        changed = _changed(value, at * 7919 % places, change)
        text = json.dumps(None if changed is _DROPPED else changed).encode()
        lines[number] = lines[number][: start.start()] + text
        break
    return b"\n".join(lines)


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


def _changed(value: Any, place: int, change: Callable[[Any], Any]) -> Any:
    """Return JSON with its value at a place changed, counted as ``_count`` does."""
    if place == 0:
        return change(value)
    place -= 1
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        size = _count(value[key])
        if place < size:
            new = _changed(value[key], place, change)
            copy = value.copy()
            if new is _DROPPED:
                del copy[key]
            else:
                copy[key] = new
            return copy
        place -= size
    return value


KINDS = (
    _change_value,
    _flip,
    _cut,
    _insert,
    _set,
    _drop_value,
    _splice,
    _repeat,
    _truncate,
    _deepen_value,
    _change_value,
    _swap_lines,
    _double_value,
    _repeat_line,
    _rename_member,
    _drop_line,
)
