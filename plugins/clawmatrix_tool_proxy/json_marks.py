"""How many values a text of JSON has, counted before it is decoded.

Two bytes of JSON may become an object of a hundred bytes, and decoding them holds the interpreter.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["VALUE", "marks_in"]

VALUE: Final = 64
"""Bytes that a value takes once it is decoded, about."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\[\s\S]?)*+(?:"|\Z)')
"""A string, ended or not: it always matches, so that no byte is looked at twice."""


def marks_in(data: bytes, enough: int) -> int:
    """Return how many values a text has at most, those in its strings aside.

    Where marks in strings bring it to no more than ``enough``, they are counted too.
    """
    found = _marks(data)
    return found if found <= enough else _marks(_STRING.sub(b"", data))


def _marks(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")
