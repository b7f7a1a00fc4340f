"""What goes wrong in a plugin, as the node counts it."""

from __future__ import annotations

import attrs

__all__ = ["Fault", "Overrun"]


class Overrun(TimeoutError):
    """A hook implementation took longer than it may."""


@attrs.frozen
class Fault:
    """A hook implementation, or a plugin's background task, that failed.

    Attributes:
        plugin: the name of the plugin.
        hook: the hook, the task, or what else failed.
        error: what it raised, or why it failed.
        serving: it happened while the plugin served the input of others.
    """

    plugin: str
    hook: str
    error: Exception
    serving: bool = False

    def __str__(self) -> str:
        what = str(self.error) or type(self.error).__name__
        return f"{self.hook}: {type(self.error).__name__}: {what}"
