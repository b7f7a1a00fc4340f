"""The patterns of ``[mcp] resources``."""

from __future__ import annotations

from typing import ClassVar, Self

from clawmatrix_grants.api import Glob

__all__ = ["ResourcePattern"]


class ResourcePattern(str):
    """A pattern for resources and prompts of mounted servers.

    Attributes:
        glob: what it matches.
    """

    __slots__ = ("glob",)
    config_words: ClassVar[str] = 'a pattern such as "SERVER/**"'
    glob: Glob

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the pattern. Raises: ValueError, TypeError."""
        if not isinstance(value, str):
            raise TypeError
        glob = Glob(value)
        pattern = cls(value)
        pattern.glob = glob
        return pattern
