"""Errors as each API writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_core import (
    ClawMatrixError,
    DeadlineExceeded,
    ExchangeError,
    ExchangeFailure,
    PeerLost,
    Undeliverable,
)
from clawmatrix_model_proxy.error_text import ErrorText, error_text
from clawmatrix_model_proxy.faults import AttemptFault, fault_of_event
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.too_long import TOO_LONG, says_too_long

if TYPE_CHECKING:
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = [
    "ApiError",
    "convert_upstream_error",
    "from_event",
    "from_exchange",
    "from_fault",
    "is_own_too_long",
    "too_long_error",
    "wrap_upstream_error",
]

SHOWN = 2000
"""Characters of an upstream's own words that are repeated to the client."""

_STATUS = {
    "bad_request": 400,
    "cannot_convert": 400,
    "model_not_found": 404,
    "response_not_found": 404,
    "unknown_type": 404,
    "too_large": 413,
    "busy": 503,
    "stopping": 503,
    "upstream_timeout": 504,
}


class ApiError(ClawMatrixError):
    """A request that cannot be answered as asked.

    ``type``, ``code`` and ``param`` are what the official clients look at.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.code = code
        self.param = param

    def body(self, format: Format = FORMATS["chat"]) -> bytes:
        """Return the JSON of the error, in the shape of a format."""
        fields = {
            "message": str(self),
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return format.error(self.status, fields)


def from_exchange(error: ExchangeError, node: str) -> ApiError:
    """Return what the client is told of an exchange that failed; ``node`` is the node at fault."""
    status, code, param = 502, "node_failed", None
    if isinstance(error, ExchangeFailure):
        status, code = _STATUS.get(error.code, 502), error.code
        param = _param_of(error.detail)
    elif isinstance(error, Undeliverable):
        code = "node_unreachable"
    elif isinstance(error, PeerLost):
        code = "node_lost"
    elif isinstance(error, DeadlineExceeded):
        status, code = 504, "deadline_exceeded"
    kind = "invalid_request_error" if status < 500 else "upstream_error"
    return ApiError(status, f"{node}: {error}", type=kind, code=code, param=param)


def from_event(error: object) -> ApiError:
    """Return what the client is told of an error inside a stream, or inside an answer."""
    return from_fault(fault_of_event(error))


def from_fault(fault: AttemptFault) -> ApiError:
    """Return what the client is told of a fault that an upstream put into words."""
    status = fault.status or 502
    kind = "invalid_request_error" if fault.code == TOO_LONG else "upstream_error"
    return ApiError(status, fault.message, type=kind, code=fault.code)


def _param_of(detail: object) -> str | None:
    param = detail.get("param") if isinstance(detail, dict) else None
    return param[:SHOWN] if isinstance(param, str) else None


def wrap_upstream_error(status: int, body: bytes, format: Format = FORMATS["chat"]) -> bytes:
    """Return an upstream's error body, put into the API's shape where it is no JSON object."""
    return body if _object(body) is not None else convert_upstream_error(status, body, format)


def convert_upstream_error(status: int, body: bytes, format: Format) -> bytes:
    """Return an upstream's error, in whichever shape it is, in that of a format."""
    said = error_text(body)
    if says_too_long(status, said):
        return too_long_error(said).body(format)
    error = (_object(body) or {}).get("error")
    if not isinstance(error, dict):
        if said.plain or not said.message:
            return _in_words(status, body, format)
        error = {"code": said.code, "param": said.param}
    words = {name: error.get(name) for name in ("message", "type", "code", "param")}
    fields = {name: word if isinstance(word, str) else None for name, word in words.items()}
    fields["message"] = fields["message"] or said.message or f"the upstream answered {status}"
    fields["type"] = fields["type"] or "upstream_error"
    return format.error(status, fields)


def too_long_error(said: ErrorText) -> ApiError:
    """Return what the client is told of a prompt that is too long for a model."""
    message = said.message or "the prompt is too long for the model"
    return ApiError(400, message, code=TOO_LONG, param=said.param)


def is_own_too_long(body: bytes, format: Format) -> bool:
    """Say whether an error is already what clients of a format know a too long prompt by."""
    error = (_object(body) or {}).get("error")
    if not isinstance(error, dict):
        return False
    if format.too_long is None:
        return error.get("code") == TOO_LONG
    message = error.get("message")
    return isinstance(message, str) and format.too_long in message.lower()


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        decoded = decode(body)
    except NOT_JSON:
        return None
    return decoded if isinstance(decoded, dict) else None


def _in_words(status: int, body: bytes, format: Format) -> bytes:
    # Of a long body the beginning is looked at: more is not shown.
    words = body[: 8 * SHOWN].decode(errors="replace")
    said = "".join(c if c.isprintable() else " " for c in words)
    said = " ".join(said.split())[:SHOWN]
    message = f"the upstream answered {status}" + (f": {said}" if said else "")
    return ApiError(status, message, type="upstream_error", code="upstream_error").body(format)
