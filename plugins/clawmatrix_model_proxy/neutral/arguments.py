"""The arguments of a call as they come in pieces: whether they are whole, or more than one object.

Servers number and name the pieces of calls in many ways. What the pieces say is the last word on
where a call ends: its arguments are one JSON object, and nothing stands behind that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.json_values import NOT_JSON, decode

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["Arguments", "opens"]

_MARKS = re.compile(r'\\[\s\S]|\\\Z|["{}\[\]]')
"""A character behind a backslash, or a mark that opens or closes something."""


def opens(text: str) -> bool:
    """Say whether a text may be the beginning of an object."""
    return text.lstrip()[:1] == "{"


class Arguments:
    """The pieces of one call's arguments.

    Each character is looked at once, and not before somebody asks whether they are whole.

    Attributes:
        length: how many characters there are.
    """

    __slots__ = ("_depth", "_glued", "_held", "_pieces", "_quoted", "_strange", "_unread", "length")

    def __init__(self) -> None:
        self.length = 0
        self._pieces: list[str] = []
        self._unread: list[str] = []
        self._held = ""  # a backslash whose other half is still to come
        self._depth = -1  # before the object begins
        self._quoted = self._glued = self._strange = False

    def add(self, text: str) -> None:
        """Add a piece."""
        if text:
            self.length += len(text)
            self._pieces.append(text)
            self._unread.append(text)

    @property
    def text(self) -> str:
        """All that has come."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    @property
    def empty(self) -> bool:
        """True where nothing has come but spaces."""
        self._look()
        return self._depth < 0 and not self._strange

    @property
    def whole(self) -> bool:
        """True where an object has come to its end."""
        self._look()
        return self._depth == 0

    @property
    def cut(self) -> bool:
        """True where an object has begun and not come to its end."""
        self._look()
        return self._depth > 0

    @property
    def strange(self) -> bool:
        """True where it is no object that has begun."""
        self._look()
        return self._strange

    @property
    def glued(self) -> bool:
        """True where another value stands behind the object."""
        self._look()
        return self._glued

    @property
    def valid(self) -> bool:
        """True where they are one object of JSON."""
        return isinstance(_value(self.text), dict)

    def same(self, text: str) -> bool:
        """Say whether a text is the same arguments, maybe in another spelling."""
        if len(text) == self.length and text == self.text:
            return True
        # What is far shorter is not decoded again and again beside a long text.
        near = 4 * len(text) >= self.length
        return near and _value(text) == _value(self.text) is not None

    def begins(self, text: str) -> bool:
        """Say whether a text repeats all that has come, and goes on."""
        return 0 < self.length < len(text) and text.startswith(self.text)

    def _look(self) -> None:
        if not self._unread:
            return
        text, self._held = self._held + "".join(self._unread), ""
        self._unread.clear()
        if self._depth < 0 and not self._strange:
            text = text.lstrip()
            self._strange = text[:1] not in ("", "{")
        if not self._strange:
            for mark in _MARKS.finditer(text):
                self._mark(mark[0])

    def _mark(self, mark: str) -> None:
        if mark[0] == "\\":
            self._held = mark if len(mark) == 1 else ""
        elif self._quoted:
            self._quoted = mark != '"'
        elif mark in "}]":
            self._depth = max(self._depth - 1, 0)
        else:
            self._glued = self._glued or self._depth == 0
            self._quoted = mark == '"'
            self._depth = max(self._depth, 0) + (not self._quoted)


def _value(text: str) -> JSON:
    try:
        return decode(text.encode())
    except (*NOT_JSON, UnicodeError):
        return None
