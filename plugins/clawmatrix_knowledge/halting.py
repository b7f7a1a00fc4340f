"""Why a workspace halted, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["halt_words"]


def halt_words(halt: JSON) -> str:
    """Say how many files are gone, and name up to three; ``halt`` is that of the status."""
    where = "are gone here" if halt["kind"] == "here" else "were deleted elsewhere"
    return f"{halt['files']} files {where}, such as {', '.join(halt['some'][:3])}"
