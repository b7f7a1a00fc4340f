"""A process that a plugin keeps running under a guard, as the plugin sees it."""

from __future__ import annotations

from typing import NoReturn, Protocol

__all__ = ["GuardedProcess", "ProcessEnded"]


class ProcessEnded(Exception):
    """A process did not start, or has ended; the text says how."""


class GuardedProcess(Protocol):
    """A process that runs under a guard: its input, its output and its error output."""

    async def write(self, data: bytes) -> None:
        """Write all of the bytes to its input. Raises: OSError, where it has closed it."""

    async def read(self) -> bytes:
        """Return some of its output; nothing at the end."""

    async def read_errors(self) -> bytes:
        """Return some of its error output; nothing at the end."""

    async def ended(self) -> NoReturn:
        """Wait until it has ended with all that it started. Raises: ProcessEnded, always."""
