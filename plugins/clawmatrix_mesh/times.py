"""Times in words, for people."""

from __future__ import annotations

import time

__all__ = ["utc_words"]

_LATEST = 2**35
"""Seconds since 1970. A later time is shown as this one: some platforms cannot format it."""


def utc_words(at: int) -> str:
    """Return a time in milliseconds since 1970 in words, in UTC."""
    return time.strftime("on %Y-%m-%d at %H:%M UTC", time.gmtime(min(at // 1000, _LATEST)))
