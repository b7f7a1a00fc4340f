"""Names and texts as MCP clients get them. No I/O."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from typing import Final

__all__ = ["LENGTH", "clean_text", "offered_name"]

LENGTH: Final = 46
"""Characters that an offered name has at most: clients put a prefix of their own before it."""

_DIGEST: Final = 12
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_LOOKS_DIGESTED: Final = re.compile(rf"-[a-z2-7]{{{_DIGEST}}}\Z")
_ROOM: Final = LENGTH - len("__") - len("-") - _DIGEST
_NODE: Final = 14
"""Characters of a node's name that a cut name keeps, where the tool's name is long."""


def offered_name(node: str, key: str, tool: str) -> str:
    """Return the name by which MCP clients call a tool: ``NODE__TOOL`` where that can be.

    A name that needs cutting or replacing carries a digest of the node's key and the tool's name.
    So does each name that could be read in two ways, so that what one node offers never changes
    or takes the name of another's tool. It is looked up, never split.
    """
    plain = f"{node}__{tool}"
    if _is_plain(node, tool) and len(plain) <= LENGTH:
        return plain
    word = hashlib.sha256(f"{key}\0{tool}".encode(errors="surrogatepass")).digest()
    digest = base64.b32encode(word).decode().lower()[:_DIGEST]
    shown = re.sub("_{2,}", "_", _replaced(node)).strip("_") or "node"
    shown = shown[: max(_NODE, _ROOM - len(tool))].rstrip("_")
    return f"{shown}__{_replaced(tool)[: _ROOM - len(shown)]}-{digest}"


def _is_plain(node: str, tool: str) -> bool:
    """Say whether nothing needs replacing, and the first ``__`` can only be that between both."""
    return (
        _PLAIN.fullmatch(node) is not None
        and _PLAIN.fullmatch(tool) is not None
        and "__" not in node
        and not node.endswith("_")
        and _LOOKS_DIGESTED.search(tool) is None
    )


def _replaced(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)


_UNSEEN_CATEGORIES: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_UNSEEN_RANGES: Final = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer vowels that are not shown
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0x2800, 0x2800),  # a pattern of Braille without dots
    (0x3164, 0x3164),  # a Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFFA0, 0xFFA0),  # a Hangul filler
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),  # tags, and variation selectors
)


def clean_text(text: str) -> str:
    """Return a text without the characters that a person doesn't see and a model reads.

    These are characters of format, tags, variation selectors, private use, surrogates, fillers,
    and controls but newline and tab.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(one for one in text if one in "\n\t" or not _is_unseen(one))


def _is_unseen(one: str) -> bool:
    point = ord(one)
    if point < 0x7F:
        return point < 0x20
    if unicodedata.category(one) in _UNSEEN_CATEGORIES:
        return True
    return any(first <= point <= last for first, last in _UNSEEN_RANGES)
