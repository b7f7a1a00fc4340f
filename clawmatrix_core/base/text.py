"""Text that cannot be written as UTF-8, or not in the encoding of a terminal."""

from __future__ import annotations

import codecs

__all__ = ["NOT_UTF8", "has_surrogates", "lenient_output"]

NOT_UTF8 = "is not UTF-8 text"
"""What is said of such text, behind the name of what has it."""
_LENIENT = "clawmatrix-lenient"


def has_surrogates(text: str) -> bool:
    """Say whether a text cannot be written as UTF-8.

    Python stands a surrogate in the place of each byte of an argument, a variable or a file name
    that is not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def lenient_output() -> str:
    """Return the name of an error handler for writing text in any encoding.

    The name of a file goes out as it came in. A character that the encoding lacks becomes a
    question mark.
    """
    codecs.register_error(_LENIENT, _replace)
    return _LENIENT


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if "\udc80" <= char <= "\udcff":
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return "?", error.start + 1
