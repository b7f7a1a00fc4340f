"""What can go wrong with one attempt, in the words that the failover table decides by."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

import attrs

from clawmatrix_core import DeadlineExceeded, ExchangeError, ExchangeFailure
from clawmatrix_model_proxy.json_values import NOT_JSON, decode

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

FaultKind = Literal["status", "connect", "broke", "silent", "refused", "node", "cut"]
"""What kind of fault it is.

``status``: the upstream answered with an error. ``connect``: it could not be reached.
``broke``: it broke off before it said anything. ``silent``: nothing came within its time.
``refused``: the serving node will not send this request. ``node``: the node itself is lost,
busy or stops. ``cut``: the answer ended, or failed, in the middle.
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
TOO_LONG = "context_length_exceeded"
_TOO_LONG = re.compile(
    r"prompt is too long|maximum context length|exceeds? (?:the )?(?:available )?context"
    r"|exceed_context_size|context (?:length|window|size) (?:is )?exceeded",
    re.IGNORECASE,
)
"""What servers say that have no code for it."""
_SPELLINGS = (("retry-after-ms", 0.001), ("x-ms-retry-after-ms", 0.001), ("retry-after", 1.0))


@attrs.frozen
class AttemptFault:
    """What went wrong with an attempt.

    Attributes:
        kind: see FaultKind.
        status: the upstream's HTTP status, or what its error event amounts to.
        code: the error's own word, where it has one.
        message: what a person is told.
        wait: seconds the upstream asked to be left alone, None where it did not.
    """

    kind: FaultKind
    status: int | None = None
    code: str | None = None
    message: str = ""
    wait: float | None = None

    def __str__(self) -> str:
        what = self.kind if self.status is None else str(self.status)
        return f"{what} {self.code}" if self.code else what


def fault_of_status(
    status: int, body: bytes, headers: Mapping[str, str], wall: float
) -> AttemptFault:
    """Return the fault that an error answer of an upstream is; ``wall`` is now, for dates."""
    code, message = _read_error(body)
    if status in (400, 413) and _TOO_LONG.search(f"{code} {message}"):
        code = TOO_LONG
    return AttemptFault("status", status, code, message, retry_after(headers, wall))


def fault_of_event(error: object) -> AttemptFault:
    """Return the fault that an error inside a stream is."""
    fields = error if isinstance(error, dict) else {}
    words = [word for word in (fields.get("code"), fields.get("type")) if isinstance(word, str)]
    status = next((_STATUS_OF_TYPE[word] for word in words if word in _STATUS_OF_TYPE), None)
    status = status or _status_in(fields.get("code"))
    message = fields.get("message")
    text = message if isinstance(message, str) else "the upstream ended with an error"
    return AttemptFault("status" if status else "broke", status, next(iter(words), None), text)


def _status_in(code: object) -> int | None:
    """Return the HTTP status that some servers give as the code of an error."""
    return code if type(code) is int and 400 <= code <= 599 else None


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


def _read_error(body: bytes) -> tuple[str | None, str]:
    try:
        decoded: Any = decode(body)
    except NOT_JSON:
        return None, ""
    error = decoded.get("error") if isinstance(decoded, dict) else None
    if not isinstance(error, dict):
        return None, error if isinstance(error, str) else ""
    words = [word for word in (error.get("code"), error.get("type")) if isinstance(word, str)]
    message = error.get("message")
    return next(iter(words), None), message if isinstance(message, str) else ""
