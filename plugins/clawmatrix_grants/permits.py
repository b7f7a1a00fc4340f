"""What says that a call may run, and who is asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core import Verdict

__all__ = ["Permit", "Progress"]

Progress: TypeAlias = "Callable[[str], Awaitable[None]]"
"""Takes words about how far something is, for whoever called."""


@attrs.frozen
class Permit:
    """Says that one call may run now.

    Attributes:
        verdict: what the plugins decided.
        approval: the word of the approval that was used for it, None where none was needed.
    """

    verdict: Verdict
    approval: str | None = None
