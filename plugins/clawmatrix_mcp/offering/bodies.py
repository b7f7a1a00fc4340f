"""The message of a client, looked at before anybody decodes it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from clawmatrix_core import Bound
from clawmatrix_tool_proxy.api import marks_in

if TYPE_CHECKING:
    from starlette.types import Message, Receive

__all__ = ["VALUES", "TooManyValues", "looked_at"]

VALUES = Bound(
    128 * 1024,
    "values in one message of an MCP client",
    fed_by="a client",
    when_full="the request is refused with status 413; the message is not decoded",
)


class TooManyValues(Exception):
    """A message has more values than are decoded: that would take seconds."""


async def looked_at(receive: Receive, most: int) -> Receive:
    """Read a message, of which no more than ``most`` bytes are of interest.

    Returns what gives its parts once more, and then whatever ``receive`` gives.

    Raises: TooManyValues.
    """
    parts: deque[Message] = deque()
    size, more = 0, True
    while more and size <= most:
        message = await receive()
        parts.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    data = b"".join(message.get("body", b"") for message in parts)
    if size <= most and marks_in(data, VALUES) > VALUES:
        raise TooManyValues

    async def again() -> Message:
        return parts.popleft() if parts else await receive()

    return again
