"""What ``clawmatrix call`` ends with. Values in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clawmatrix_core import JSON

__all__ = ["CODES", "FAILED", "exit_of_error", "exit_of_result"]

FAILED: Final = 20
"""What a call ends with that failed, where nothing says more."""

CODES: Final = {
    "bad_params": 2,
    "unknown_node": 6,
    "unreachable": 6,
    "not_allowed": 21,
    "busy": 22,
    "bad_arguments": 23,
    "too_large": 23,
    "approval_pending": 24,
    "deadline": 25,
    "revoked": 26,
    "lost": 27,
    "no_tools": 28,
    "not_proven": 29,
    "not_audited": 30,
}
"""Exit codes by the code of the error."""


def exit_of_error(code: str, detail: JSON) -> int:
    """Return the exit code for an error of a call, which the tool may have chosen."""
    if code in CODES:
        return CODES[code]
    status = detail.get("exitStatus") if isinstance(detail, dict) else None
    return status if isinstance(status, int) and 0 < status < 256 else FAILED


def exit_of_result(result: JSON) -> int:
    """Return the ``exitStatus`` of a result, as commands have one; else 0."""
    status = result.get("exitStatus") if isinstance(result, dict) else None
    return status if type(status) is int and 0 <= status < 256 else 0
