"""A call that does not run, or did not end well: what its caller is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import NOT_ALLOWED, ClawMatrixError
from clawmatrix_tool_proxy.wire import CODE, Outcome, words_of

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["Refused", "not_allowed"]


class Refused(ClawMatrixError):
    """A call was refused before anything ran.

    Attributes:
        code: a stable word.
        detail: JSON for programs.
    """

    def __init__(self, code: str, message: str, *, detail: JSON = None) -> None:
        super().__init__(message)
        self.code, self.detail = code, detail

    def outcome(self) -> Outcome:
        """Return what the caller is told."""
        code = words_of(self.code, CODE)
        return Outcome(success=False, error=words_of(str(self)), code=code, detail=self.detail)


def not_allowed() -> Refused:
    """Return the words for all that a caller may not use, whether it is there or not."""
    return Refused("not_allowed", NOT_ALLOWED)
