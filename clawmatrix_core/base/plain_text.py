"""Text that moves no cursor: what a peer or an upstream wrote, as a terminal may show it.

The characters that are taken out are those for which ``str.isprintable`` is false: the control
characters of ASCII and of Latin-1 (U+0080 to U+009F), DEL, the marks that change the direction of
text, the separators of lines and paragraphs, characters without width, spaces other than the
ASCII one, lone surrogates, and code points that no character has; and letters, marks and symbols
that show nothing by themselves, such as fillers and selectors of variants: two texts that differ in
these alone look alike.
"""

from __future__ import annotations

import json
import re

__all__ = ["escaped", "is_seen", "json_text", "printable"]

# The characters that are default ignorable in Unicode and printable in Python; and two blank
# symbols.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d159\U000e0100-\U000e01ef]"
)


def is_seen(text: str) -> bool:
    """Say whether people would see each character of a text."""
    return text.isprintable() and _UNSEEN.search(text) is None


def printable(text: str) -> str:
    """Return the text with U+FFFD for each character that people would not see."""
    if is_seen(text):
        return text
    return "".join(char if is_seen(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def escaped(text: str, *, keep: str = "") -> str:
    r"""Return the text with ``\uXXXX`` for each character that people would not see.

    Inside a string of JSON the escape means the same character. ``keep`` has the characters that
    stay as they are.
    """
    if is_seen(text):
        return text
    return "".join(char if is_seen(char) or char in keep else _escape(char) for char in text)


def json_text(value: object, *, indent: int | None = None) -> str:
    """Return JSON that can be shown: only the line breaks of its layout are not printable."""
    return escaped(json.dumps(value, ensure_ascii=False, indent=indent), keep="\n")


def _escape(char: str) -> str:
    return json.dumps(char)[1:-1] if char != "\x7f" else r"\u007f"
