"""What goes wrong in a plugin, as the node counts it."""

from __future__ import annotations

import attrs

__all__ = ["Fault", "Overrun"]


class Overrun(TimeoutError):
    """A hook implementation took longer than it may."""


@attrs.frozen
class Fault:
    """A hook implementation, or a plugin's background task, that failed."""

    plugin: str
    hook: str
    error: Exception

    def __str__(self) -> str:
        what = str(self.error) or type(self.error).__name__
        return f"{self.hook}: {type(self.error).__name__}: {what}"
