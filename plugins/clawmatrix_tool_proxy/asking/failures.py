"""A call that did not give a result: why, and whether it may have run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

from clawmatrix_core import (
    ClawMatrixError,
    DeadlineExceeded,
    ExchangeCancelled,
    ExchangeError,
    ExchangeFailure,
    PeerLost,
    Undeliverable,
)

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.wire import Outcome

__all__ = ["ToolFailed"]

_CODES: Final = (
    (Undeliverable, "unreachable"),
    (PeerLost, "lost"),
    (DeadlineExceeded, "deadline"),
    (ExchangeCancelled, "cancelled"),
)
_NEVER_BEGAN: Final = ("unknown_type", "busy")
"""Codes of exchanges that no handler was called for."""


class ToolFailed(ClawMatrixError):
    """A call of a tool gave no result.

    Attributes:
        code: a stable word: ``not_allowed``, ``busy``, ``bad_arguments``, ``too_large``,
            ``approval_pending``, ``deadline``, ``revoked``, ``cancelled``, ``unreachable``,
            ``lost``, ``no_tools``, ``not_audited``, ``internal``, or one of the tool's own.
        may_have_run: whether the tool may have run; where it is False, it did not.
        in_doubt: whether it may have run, and the other node did not say how it ended.
        detail: JSON for programs.
        exit_status: what the tool says that a command is to end with; 0 where it says nothing.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        may_have_run: bool,
        in_doubt: bool = False,
        detail: JSON = None,
        exit_status: int = 0,
    ) -> None:
        super().__init__(message)
        self.code, self.may_have_run, self.in_doubt = code, may_have_run, in_doubt
        self.detail, self.exit_status = detail, exit_status

    @classmethod
    def of_outcome(cls, outcome: Outcome) -> Self:
        """Return what the other node told."""
        return cls(
            outcome.code or "failed",
            outcome.error or "the tool failed",
            may_have_run=outcome.began,
            detail=outcome.detail,
            exit_status=outcome.exit_status,
        )

    @classmethod
    def of_exchange(cls, error: ExchangeError) -> Self:
        """Return what an exchange that ended without its answer comes to."""
        if isinstance(error, ExchangeFailure):
            begun = error.may_have_begun and error.code not in _NEVER_BEGAN
            if error.code == "unknown_type":
                return cls("no_tools", "that node serves no tools", may_have_run=False)
            return cls(
                error.code, str(error), may_have_run=begun, in_doubt=begun, detail=error.detail
            )
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "lost")
        begun = error.may_have_begun
        return cls(code, str(error), may_have_run=begun, in_doubt=begun)
