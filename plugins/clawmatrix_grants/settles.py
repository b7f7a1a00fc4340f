"""The class by which others find the plugin. It imports nothing: most nodes need no more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_grants.permits import Permit, Progress
    from clawmatrix_grants.question import Question

__all__ = ["SettlesAsks"]


class SettlesAsks(ABC):
    """What the object of a plugin is that has people decide where the verdict is ``ask``."""

    @abstractmethod
    async def settle(
        self, question: Question, progress: Progress | None, wait: float | None
    ) -> Permit:
        """See ``clawmatrix_grants.api.permit``."""
