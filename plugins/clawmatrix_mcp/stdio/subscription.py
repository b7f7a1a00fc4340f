"""A client of 2026-07-28 that listens for changes goes on listening when its node restarts."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from clawmatrix_mcp.stdio.answers import answer_of, is_stream, messages_of
from clawmatrix_mcp.stdio.failures import Failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx2

    from clawmatrix_mcp.stdio.endpoint import Endpoint
    from clawmatrix_mcp.stdio.message import Message

__all__ = ["LISTEN", "listen_again"]

LISTEN: Final = "subscriptions/listen"
_ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"
_SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"
_LISTS: Final = ("tools", "resources", "prompts")
_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_WAITS: Final = 3600.0


class _Params(msgspec.Struct):
    notifications: dict[str, object] = {}


class _Notice(msgspec.Struct):
    params: _Params = msgspec.field(default_factory=_Params)


async def listen_again(
    endpoint: Endpoint, message: Message, give: Callable[[bytes], Awaitable[None]]
) -> Message:
    """Listen in the client's words once the node is back, and return the answer at the end.

    ``give`` takes lines for the client. What the node acknowledges a second time is told as a
    change of each list: what changed meanwhile is not known.
    """
    pause = _PAUSE
    while True:
        await anyio.sleep(pause)
        try:
            headers = message.headers()
            asked = endpoint.ask("POST", message.line, headers, patience=_WAITS)
            async with asked as response:
                return await _listen(response, message, give)
        except Failed:
            pause = min(2 * pause, _LONGEST_PAUSE)


async def _listen(
    response: httpx2.Response, message: Message, give: Callable[[bytes], Awaitable[None]]
) -> Message:
    if not is_stream(response):
        return await answer_of(response, message.raw_id)
    async with aclosing(messages_of(response)) as found:
        async for one in found:
            if one.is_answer:
                return one
            told = _changes(one, message) if one.method == _ACKNOWLEDGED else [one.line]
            for line in told:
                await give(line)
    raise Failed("node_lost", "the node ended its answer before the result")


def _changes(acknowledged: Message, message: Message) -> list[bytes]:
    try:
        honoured = msgspec.json.decode(acknowledged.line, type=_Notice).params.notifications
    except msgspec.DecodeError:
        return []
    params = {"_meta": {_SUBSCRIPTION: message.raw_id}}
    notices = [
        {"jsonrpc": "2.0", "method": f"notifications/{name}/list_changed", "params": params}
        for name in _LISTS
        if honoured.get(f"{name}ListChanged") is True
    ]
    return [msgspec.json.encode(notice) for notice in notices]
