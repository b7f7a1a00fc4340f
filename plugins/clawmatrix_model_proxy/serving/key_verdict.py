"""What an upstream's answer says of the key that was sent to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_core import ExchangeFailure
from clawmatrix_model_proxy.faults import retry_after
from clawmatrix_model_proxy.neutral.bodies import error_words

if TYPE_CHECKING:
    from clawmatrix_model_proxy.http.connection import HttpResponse

__all__ = ["ERROR_LIMIT", "KeyVerdict", "key_verdict"]

ERROR_LIMIT = 1024 * 1024
"""Bytes an upstream's error may have."""
_PATIENCE = 5.0
"""Seconds that the body of an error has to come, before the status alone decides."""


class KeyVerdict(msgspec.Struct, frozen=True):
    """What decides whether the next key is tried.

    Attributes:
        status: the HTTP status that the answer amounts to.
        wait: seconds for which the upstream wants to be left alone, None where it says nothing.
    """

    status: int
    wait: float | None


async def key_verdict(answer: HttpResponse, codec: object, wall: float) -> KeyVerdict:
    """Return what an answer says of its key; ``wall`` is now, in seconds since 1970.

    A codec that reads errors is shown the body: there are upstreams that answer a bad key with
    status 400, and put the time to wait into the body. The body can still be read afterwards.
    """
    wait = retry_after(answer.headers, wall)
    if 200 <= answer.status < 300 or not hasattr(codec, "read_error"):
        return KeyVerdict(answer.status, wait)
    words = error_words(codec, answer.status, await _body(answer))
    if words is None:
        return KeyVerdict(answer.status, wait)
    return KeyVerdict(words.status or answer.status, words.retry_after if wait is None else wait)


async def _body(answer: HttpResponse) -> bytes:
    """Return an error's body; none where it is too long, too slow, or cut off."""
    with anyio.move_on_after(_PATIENCE):
        try:
            body = await answer.peek(ERROR_LIMIT)
        except ExchangeFailure:
            return b""  # whoever reads it for the client raises that again
        return body if len(body) <= ERROR_LIMIT else b""
    return b""
