"""What is left behind on the way into an API, as values, so that the documentation lists them."""

from __future__ import annotations

import msgspec

__all__ = ["Loss"]


class Loss(msgspec.Struct, frozen=True):
    """Content that an API has no place for, and that is no error.

    Attributes:
        what: it.
        why: why the answer is no other without it.
    """

    what: str
    why: str
