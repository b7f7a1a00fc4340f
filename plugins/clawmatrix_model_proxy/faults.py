"""What can go wrong with one attempt, in the words that the failover table decides by."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from clawmatrix_core import DeadlineExceeded, ExchangeError, ExchangeFailure
from clawmatrix_model_proxy.error_text import error_text, error_text_of
from clawmatrix_model_proxy.lacks import is_not_served, unknown_setting
from clawmatrix_model_proxy.too_long import TOO_LONG, says_too_long

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AttemptFault",
    "FaultKind",
    "fault_of_error",
    "fault_of_event",
    "fault_of_status",
    "retry_after",
]

FaultKind = Literal["status", "connect", "broke", "silent", "refused", "node", "cut", "lacks"]
"""What kind of fault it is.

``status``: the upstream answered with an error. ``connect``: it could not be reached.
``broke``: it broke off before it said anything. ``silent``: nothing came within its time.
``refused``: the serving node will not send this request. ``node``: the node itself is lost,
busy or stops. ``cut``: the answer ended, or failed, in the middle. ``lacks``: the upstream has no
such endpoint beside answers, or does not know a setting of the request.
"""

_KINDS: dict[str, FaultKind] = {
    "upstream_unreachable": "connect",
    "upstream_broke": "broke",
    "upstream_timeout": "silent",
    "bad_request": "refused",
    "cannot_convert": "refused",
    "response_not_found": "refused",
    "too_large": "refused",
}
_STATUS_OF_TYPE = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_error": 500,
    "timeout_error": 504,
    "authentication_error": 401,
    "permission_error": 403,
    "billing_error": 402,
    "invalid_request_error": 400,
    "not_found_error": 404,
}
_SPELLINGS = (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0))


_AGAIN = {"true": True, "false": False}


class AttemptFault(msgspec.Struct, frozen=True):
    """What went wrong with an attempt.

    Attributes:
        kind: see FaultKind.
        status: the upstream's HTTP status, or what its error event amounts to.
        code: the error's own word, where it has one.
        message: what a person is told.
        wait: seconds the upstream asked to be left alone, None where it did not.
        lacks: what the upstream lacks: the name of an endpoint, or of a setting.
        again: what the upstream says of asking it again, in ``x-should-retry``; None where it
            says nothing.
    """

    kind: FaultKind
    status: int | None = None
    code: str | None = None
    message: str = ""
    wait: float | None = None
    lacks: str | None = None
    again: bool | None = None

    def __str__(self) -> str:
        what = self.kind if self.status is None else str(self.status)
        return f"{what} {self.code}" if self.code else what


def fault_of_status(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    wall: float,
    *,
    side: str | None = None,
) -> AttemptFault:
    """Return the fault that an error answer of an upstream is.

    Args:
        status, body, headers: the answer.
        wall: now, in seconds since 1970, for dates.
        side: what was asked for, where that is beside answers.
    """
    said = error_text(body)
    code = TOO_LONG if says_too_long(status, said) else said.code
    message = "" if said.plain else said.message  # a page of HTML, mostly
    not_served = side is not None and is_not_served(status, said)
    lacks = side if not_served else unknown_setting(status, said)
    kind: FaultKind = "status" if lacks is None or code == TOO_LONG else "lacks"
    wait, again = retry_after(headers, wall), _AGAIN.get(headers.get("x-should-retry", ""))
    return AttemptFault(kind, status, code, message, wait, lacks, again)


def fault_of_event(error: object) -> AttemptFault:
    """Return the fault that an error inside a stream is."""
    said = error_text_of(error)
    message = said.message or "the upstream ended with an error"
    if says_too_long(None, said):
        return AttemptFault("status", 400, TOO_LONG, message)
    known = (_STATUS_OF_TYPE[code] for code in said.codes if code in _STATUS_OF_TYPE)
    status = next(known, None) or next(filter(_is_status, said.numbers), None)
    return AttemptFault("status" if status else "broke", status, said.code, message)


def _is_status(code: int) -> bool:
    """Say whether a code is an HTTP status, as some servers give it."""
    return 400 <= code <= 599


def fault_of_error(error: ExchangeError) -> AttemptFault:
    """Return the fault that a failed exchange with a serving node is."""
    if isinstance(error, ExchangeFailure):
        return AttemptFault(_KINDS.get(error.code, "node"), None, error.code, str(error))
    if isinstance(error, DeadlineExceeded):
        return AttemptFault("silent", None, "deadline_exceeded", str(error))
    return AttemptFault("node", None, None, str(error))


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """Return the seconds that an answer asks to wait: in its own, or as milliseconds or a date."""
    for name, unit in _SPELLINGS:
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            seconds = _seconds_until(value, wall)
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def _seconds_until(date: str, wall: float) -> float:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - wall)
    except (ValueError, TypeError, OverflowError):
        return -1.0
