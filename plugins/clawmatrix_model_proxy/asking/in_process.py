"""Requests of a program in the node's own process: JSON in, JSON or events out."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import msgspec

from clawmatrix_core import LocalProtocolError
from clawmatrix_model_proxy.api import ModelError
from clawmatrix_model_proxy.asking.asking import HEADERS, HOLD_HEADER
from clawmatrix_model_proxy.asking.event_reader import EventReader, error_of_attempt, node_stops
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.json_values import NOT_JSON, decode_numbers
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.workers import PASSED_ON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message

    from clawmatrix_core import JSON, PluginScope
    from clawmatrix_model_proxy.api import ModelRequest
    from clawmatrix_model_proxy.asking.asking import Asking
    from clawmatrix_model_proxy.asking.response import ProxiedResponse
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["ask", "stream"]


async def ask(asking: Asking, request: ModelRequest) -> dict[str, JSON]:
    """Return the whole answer. Raises: ModelError, LocalProtocolError, TypeError."""
    answer = _answer_to(asking, request, _format_of(request), streams=False)
    pieces: list[bytes] = []

    async def take(message: Message) -> None:
        pieces.append(message.get("body", b""))

    failed = await answer.give(take)
    if failed is not None:
        raise error_of_attempt(failed)
    body = b"".join(pieces)
    decode = partial(decode_numbers, body)
    try:
        decoded = await asking.workers.run(asking.node.id, len(body) // PASSED_ON, decode)
    except NOT_JSON:
        decoded = None
    if not isinstance(decoded, dict):
        raise ModelError(502, "the answer is not a JSON object", code="bad_answer")
    return decoded


@asynccontextmanager
async def stream(
    asking: Asking, request: ModelRequest, scope: PluginScope
) -> AsyncIterator[AsyncIterator[dict[str, JSON]]]:
    """Yield an iterator over the events of the answer. Raises: as ``ask``.

    A task in the plugin's scope takes the answer. No cancel scope is open while the program has
    the iterator, so that any task may leave the block: a program may abandon a generator that
    holds it, which the event loop then closes in a task of its own.
    """
    format = _format_of(request)
    if not format.streams:
        raise LocalProtocolError(f"answers of the API {format.name!r} are no streams")
    answer = _answer_to(asking, request, format, streams=True)
    with EventReader(format, asking.node.id) as reader:
        work, over = anyio.CancelScope(), anyio.Event()
        if not scope.start_soon(_follow, reader, answer, work, over, name="stream of a model"):
            raise node_stops(asking.node.id)
        try:
            yield reader
        finally:
            reader.leave()
            work.cancel()
            with anyio.CancelScope(shield=True):  # it ends at once
                await over.wait()


async def _follow(
    reader: EventReader, answer: ProxiedResponse, work: anyio.CancelScope, over: anyio.Event
) -> None:
    try:
        with work:
            await reader.follow(answer)
    finally:
        over.set()


def _format_of(request: ModelRequest) -> Format:
    if request.api not in FORMATS:
        known = ", ".join(FORMATS)
        raise LocalProtocolError(f"{request.api!r} is not one of the APIs {known}")
    return FORMATS[request.api]


def _answer_to(
    asking: Asking, request: ModelRequest, format: Format, *, streams: bool
) -> ProxiedResponse:
    body = {**request.body, "model": request.model}
    body.pop("stream", None)
    if streams:
        body["stream"] = True
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers = {name: headers[name] for name in HEADERS if name in headers}
    if request.hold is not None:
        headers[HOLD_HEADER] = request.hold
    began = asking.node.clock.now()
    try:
        return asking.answer(msgspec.json.encode(body), headers, format, began)
    except UnicodeEncodeError:
        raise TypeError("the request has text that is not UTF-8, so it is no JSON") from None
    except ApiError as error:
        raise ModelError(error.status, str(error), code=error.code) from None
