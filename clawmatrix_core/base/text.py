"""Text that cannot be written as UTF-8."""

from __future__ import annotations

__all__ = ["NOT_UTF8", "has_surrogates"]

NOT_UTF8 = "is not UTF-8 text"
"""What is said of such text, behind the name of what has it."""


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
