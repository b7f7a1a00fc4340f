"""The lines of the control socket: a request read, an answer written. No I/O here."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from clawmatrix_core.base.errors import ClawMatrixError, ExchangeFailure

__all__ = ["BadRequest", "Request", "error_line", "failure_line", "line", "parse_request"]

JSON = Any

_encode = msgspec.json.Encoder().encode


class BadRequest(ClawMatrixError):
    """A line that is no request. ``code`` is a stable word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@attrs.frozen
class Request:
    """What a client asks for."""

    method: str
    params: dict[str, JSON]


def parse_request(text: bytes) -> Request:
    """Return the request on a line. Raises: BadRequest."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequest("bad_request", "the line is not JSON") from None
    match value:
        case {"method": str(method), "params": dict(params)}:
            return Request(method, params)
        case {"method": str(method)} if value.get("params") is None:
            return Request(method, {})
        case _:
            raise BadRequest("bad_request", 'expected {"method": "…", "params": {…}}')


def line(value: dict[str, JSON]) -> bytes:
    """Return one line of an answer. Raises: TypeError, for what is not JSON."""
    return _encode(value) + b"\n"


def error_line(code: str, message: str, detail: JSON = None) -> bytes:
    """Return the line that ends an answer with an error."""
    error = {"code": code, "message": message}
    return line({"error": error if detail is None else {**error, "detail": detail}})


def failure_line(error: ClawMatrixError) -> bytes:
    """Return the line for an error of ours: what its message says is for the user to read."""
    match error:
        case ExchangeFailure():
            return error_line(error.code, str(error), error.detail)
        case BadRequest():
            return error_line(error.code, str(error))
        case _:
            return error_line("failed", str(error))
