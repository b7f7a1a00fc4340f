"""What an error frame of an exchange carries, written and read."""

from __future__ import annotations

from typing import Any

import msgspec

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.wire.codec import CHUNK

__all__ = ["error_body", "failure_of"]

_encode = msgspec.json.Encoder().encode

_MESSAGE_LIMIT = 4096
"""Characters an error's message may have where it has to be cut."""


def error_body(failure: ExchangeFailure) -> bytes:
    """Return what an error frame carries; it is cut to fit into one."""
    body: dict[str, Any] = {"code": failure.code, "message": str(failure)}
    if not failure.may_have_begun:
        body["begun"] = False
    if failure.detail is not None:
        whole = _encode({**body, "detail": failure.detail})
        if len(whole) <= CHUNK:
            return whole
    encoded = _encode(body)
    if len(encoded) > CHUNK:
        encoded = _encode({**body, "message": str(failure)[:_MESSAGE_LIMIT] + "…"})
    return encoded


def failure_of(payload: Any) -> ExchangeFailure:
    """Return the failure that an error frame tells of, whatever is in it."""
    if not isinstance(payload, dict):
        return ExchangeFailure("bad_error", "the other side failed, without saying how")
    return ExchangeFailure(
        str(payload.get("code", "unknown")),
        str(payload.get("message", "")),
        detail=payload.get("detail"),
        may_have_begun=payload.get("begun") is not False,
    )
