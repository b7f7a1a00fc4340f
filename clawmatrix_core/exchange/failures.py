"""What an error frame of an exchange carries, written and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.wire.codec import CHUNK

if TYPE_CHECKING:
    from clawmatrix_core.base.errors import ExchangeError

__all__ = ["error_body", "failure_of", "like"]

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


def like(error: ExchangeError) -> ExchangeError:
    """Return a new error like one that an exchange keeps, so that it can be raised.

    An error leads to the frames that it was raised through, and these lead to the exchange. If
    the exchange kept that error, the frames and all they have read (a request of many megabytes)
    would stay in memory until the next collection of circles.
    """
    made = type(error).__new__(type(error), *error.args)
    vars(made).update(vars(error))
    made.__cause__ = error.__cause__
    return made
