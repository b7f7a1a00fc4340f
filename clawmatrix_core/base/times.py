"""Times in words, for people."""

from __future__ import annotations

__all__ = ["ago"]

_UNITS = ((86400, "day"), (3600, "h"), (60, "min"), (1, "s"))


def ago(seconds: float) -> str:
    """Return how long ago something was, in words."""
    for size, unit in _UNITS:
        count = int(seconds // size)
        if count >= 1:
            plural = "s" if unit == "day" and count > 1 else ""
            return f"{count} {unit}{plural} ago"
    return "just now"
