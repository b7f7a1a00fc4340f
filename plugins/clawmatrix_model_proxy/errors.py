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
from clawmatrix_model_proxy.faults import fault_of_event
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.formats import FORMATS

if TYPE_CHECKING:
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = [
    "ApiError",
    "convert_upstream_error",
    "from_event",
    "from_exchange",
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
    fault = fault_of_event(error)
    status = fault.status or 502
    return ApiError(status, fault.message, type="upstream_error", code=fault.code)


def _param_of(detail: object) -> str | None:
    param = detail.get("param") if isinstance(detail, dict) else None
    return param[:SHOWN] if isinstance(param, str) else None


def wrap_upstream_error(status: int, body: bytes, format: Format = FORMATS["chat"]) -> bytes:
    """Return an upstream's error body, put into the API's shape where it is not JSON."""
    return body if _object(body) is not None else _in_words(status, body, format)


def convert_upstream_error(status: int, body: bytes, format: Format) -> bytes:
    """Return an upstream's error, in the shape of whichever API, in that of a format."""
    error = (_object(body) or {}).get("error")
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        return _in_words(status, body, format)
    words = {name: error.get(name) for name in ("message", "type", "code", "param")}
    fields = {name: word if isinstance(word, str) else None for name, word in words.items()}
    fields["message"] = fields["message"] or f"the upstream answered {status}"
    fields["type"] = fields["type"] or "upstream_error"
    return format.error(status, fields)


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
