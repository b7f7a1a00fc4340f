r"""Paths as tools write them, ``ROOT/relative``: one way to write each file, whatever is on disk.

A name on disk that no path can have is shown with escapes, such as ``caf\xe9``. Since a path has
no backslash, what is shown so is no path.
"""

from __future__ import annotations

import re
from typing import Final, Self

import attrs

from clawmatrix_tool_proxy.tool import ToolError

__all__ = ["BAD_PATH", "ROOT_NAME", "RootPath", "canonical_path", "is_fit", "shown"]

BAD_PATH: Final = "bad_path"
ROOT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
"""What a root may be called."""

_NAME_BYTES: Final = 255
_PATH_BYTES: Final = 4096
_SHOWN: Final = 80
_UNFIT: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
r"""Control characters, backslashes, what turns the direction of text, and bytes that are not
UTF-8, which Python writes as surrogates."""


@attrs.frozen
class RootPath:
    """A place in a root.

    Attributes:
        root: the name of the root.
        parts: the names of the folders on the way, and of the file; empty for the root itself.
    """

    root: str
    parts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a caller wrote. Raises: ToolError ``bad_path``, which repeats the path."""
        if why := _objection(text):
            raise ToolError(f"{shown(text[:_SHOWN])!s}: {why}", BAD_PATH)
        root, *parts = [part for part in text.split("/") if part not in ("", ".")]
        return cls(root, tuple(parts))

    def __truediv__(self, name: str) -> Self:
        return attrs.evolve(self, parts=(*self.parts, name))

    def __str__(self) -> str:
        return "/".join((self.root, *map(shown, self.parts)))

    @property
    def parent(self) -> Self:
        """The folder that it is in; the root is its own."""
        return attrs.evolve(self, parts=self.parts[:-1])


def canonical_path(text: str) -> str:
    """Return a path as conditions and the audit have it.

    It looks at no file. Whatever is written otherwise for the same place, with ``./``, doubled or
    trailing slashes, gives the same text.

    Raises: ToolError ``bad_path``, for a malformed path.
    """
    return str(RootPath.parse(text))


def is_fit(name: str) -> bool:
    """Say whether a file of this name can be in a path."""
    return _UNFIT.search(name) is None


def shown(name: str) -> str:
    """Return a name with escapes for what no path can have."""
    return _UNFIT.sub(_escape, name)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _objection(text: str) -> str | None:
    """Return what is wrong with a path, None where it is right."""
    parts = text.split("/")
    named = [part for part in parts if part not in ("", ".")]
    if "\\" in text:
        return "a path has slashes, no backslashes"
    if not is_fit(text):
        return "a path is UTF-8 text without control characters"
    if ".." in parts:
        return 'a path has no "..": write the path from the root on'
    if text.startswith("/"):
        return "a path begins with the name of a root, not with a slash"
    if not named:
        return "a path begins with the name of a root"
    if re.fullmatch("[A-Za-z]:.*", named[0]):
        return "a path begins with the name of a root, not with a drive"
    if not ROOT_NAME.fullmatch(named[0]):
        return "a path begins with the name of a root: small letters, digits, - and _"
    if len(text.encode()) > _PATH_BYTES:
        return f"a path has at most {_PATH_BYTES} bytes"
    if any(len(part.encode()) > _NAME_BYTES for part in named):
        return f"a name has at most {_NAME_BYTES} bytes"
    return None
