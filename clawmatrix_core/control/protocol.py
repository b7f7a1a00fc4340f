"""The lines of the control socket: requests and answers, written and read. No I/O here.

One connection carries one request, ``{"method": …, "params": {…}}`` on a line, and its
answer, a JSON object a line: ``{"result": …}``, or ``{"item": …}`` any number of times and
``{"end": true}``, or ``{"error": {"code": …, "message": …}}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
import msgspec

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import ClawMatrixError, ExchangeFailure
from clawmatrix_core.base.text import NOT_UTF8

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from clawmatrix_core.base.json_value import JSON

__all__ = [
    "ANSWER_LIMIT",
    "REQUEST_LIMIT",
    "ControlError",
    "ControlRequest",
    "answer_line",
    "parse_answer",
    "request_line",
]

REQUEST_LIMIT = Bound(
    1024 * 1024,
    "bytes of a request on the control socket",
    fed_by="a client",
    when_full="the request is refused",
)
ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes a line of an answer may have."""


_encode = msgspec.json.Encoder().encode


class ControlError(ClawMatrixError):
    """The node answered with an error, or not at all.

    ``code`` is a stable word: one of a method's own, or ``timeout``, ``closed``, ``denied``.
    ``detail`` is JSON for programs. ``exit_code`` is 2 for ``bad_params``, else 1.
    """

    def __init__(self, code: str, message: str, *, detail: JSON = None) -> None:
        super().__init__(message)
        self.exit_code = 2 if code == "bad_params" else 1
        self.code = code
        self.detail = detail


@attrs.frozen
class ControlRequest:
    """What a client asks for; its line has ``most`` bytes at most."""

    most: ClassVar[int] = REQUEST_LIMIT

    method: str
    params: dict[str, JSON]

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Return the request on a line. Raises: ExchangeFailure ``bad_request``."""
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ExchangeFailure("bad_request", "the line is not JSON") from None
        match value:
            case {"method": str(method), "params": dict(params)}:
                return cls(method, params)
            case {"method": str(method)} if value.get("params") is None:
                return cls(method, {})
            case _:
                expected = 'expected {"method": "…", "params": {…}}'
                raise ExchangeFailure("bad_request", expected)


# --- requests


def request_line(method: str, params: Mapping[str, JSON] | None = None) -> bytes:
    """Return the line of a request.

    Raises: ControlError, where it is too long, or a parameter is text that UTF-8 cannot write:
        what a command was given in other bytes. TypeError, for what is not JSON.
    """
    try:
        text = _encode({"method": method, "params": params or {}}) + b"\n"
    except UnicodeEncodeError:
        raise ControlError("bad_params", _not_utf8(params or {})) from None
    if len(text) > REQUEST_LIMIT:
        raise ControlError("bad_request", f"a request of {len(text)} bytes is too long")
    return text


def _not_utf8(params: Mapping[str, JSON]) -> str:
    for name, value in params.items():
        try:
            _encode({name: value})
        except UnicodeEncodeError:
            return f"{name.encode(errors='replace').decode()}: {NOT_UTF8}"
    return f"the method: {NOT_UTF8}"


# --- answers


def answer_line(told: dict[str, JSON] | ClawMatrixError) -> bytes:
    """Return a line of an answer: an object, or an error of ours, for the user to read.

    Raises: TypeError, for what is not JSON.
    """
    return _encode(_failure(told) if isinstance(told, ClawMatrixError) else told) + b"\n"


def _failure(error: ClawMatrixError) -> dict[str, JSON]:
    code = error.code if isinstance(error, ExchangeFailure) else "failed"
    told: dict[str, JSON] = {"code": code, "message": str(error)}
    if isinstance(error, ExchangeFailure) and error.detail is not None:
        told["detail"] = error.detail
    return {"error": told}


def parse_answer(text: bytes) -> dict[str, JSON]:
    """Return what a line of an answer says.

    Raises: ControlError, where the line is an error, or is no answer.
    """
    try:
        answer = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ControlError("protocol", "the node answered with something else than JSON objects")
    match answer.get("error"):
        case None:
            return answer
        case {"code": str(code), "message": str(message), **rest}:
            raise ControlError(code, message, detail=rest.get("detail"))
        case _:
            raise ControlError("protocol", "the node answered with a malformed error")
