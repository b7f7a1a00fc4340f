"""The events of one answer, for a program in the node's own process."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import Bound, LocalProtocolError
from clawmatrix_model_proxy.api import ModelError
from clawmatrix_model_proxy.errors import from_event
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.endings import Ending, Tail
from clawmatrix_model_proxy.streams.events import data_of
from clawmatrix_model_proxy.streams.sse import EventTooLarge, WholeEvents, events_in
from clawmatrix_model_proxy.streams.stages import Stage, error_of

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from starlette.types import Message

    from clawmatrix_core import JSON, ClawMatrixError, NodeId
    from clawmatrix_model_proxy.asking.attempt import AttemptFailed
    from clawmatrix_model_proxy.asking.response import ProxiedResponse
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["EventReader", "error_of_attempt", "node_stops"]

EVENT_LIMIT = Bound(
    64 * 1024 * 1024,
    "bytes of one event that a program in the node's process is given",
    fed_by="a member",
    when_full="the answer ends with an error",
)
"""The last event of an answer may repeat the whole of it."""


class EventReader:
    """An iterator over the events of an answer, inside ``with reader:`` and while ``follow`` runs.

    It ends where the answer is whole; anything else is raised, after the events before it.
    """

    def __init__(self, format: Format, asking: NodeId) -> None:
        """Make one for an answer in a format; ``asking`` is this node, for errors."""
        self._format = format
        # Without room in it: the answer comes as fast as events are taken.
        self._sender, self._receiver = anyio.create_memory_object_stream[bytes](0)
        self._ready: deque[dict[str, JSON]] = deque()
        self._whole = WholeEvents(limit=EVENT_LIMIT)
        self._last = b""
        self._tail = Tail()
        self._streams = self._over = False
        # What holds where nothing follows the answer any more.
        self._error: ClawMatrixError | None = node_stops(asking)
        self._own_error: ModelError | None = None

    def __repr__(self) -> str:
        return f"<EventReader {'over' if self._over else 'open'}, {len(self._ready)} ready>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._sender.close()
        self._receiver.close()

    # --- what the answer brings

    async def follow(self, answer: ProxiedResponse) -> None:
        """Take the answer up to its end; cancel this to take no more."""
        with self._sender:
            try:
                failed = await answer.give(self._take)
            except Exception:
                self._error = ModelError(500, "the model-proxy plugin failed; the log says how")
                raise
            if failed is not None:
                self._error = error_of_attempt(failed)
            else:
                self._error = None if self._streams else _bad("the answer is no stream")

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            types = [value for name, value in message["headers"] if name == b"content-type"]
            self._streams = any(one.lower().startswith(b"text/event-stream") for one in types)
        elif self._streams and message["body"]:
            await self._sender.send(message["body"])

    def leave(self) -> None:
        """Note that the program has left the block, whatever becomes of the answer."""
        if not self._over:
            self._error = LocalProtocolError("the block of stream_model was left")

    # --- what the program takes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, JSON]:
        """Return the next event. Raises: ModelError; LocalProtocolError, outside the block."""
        while not self._ready and not self._over:
            try:
                self._feed(await self._receiver.receive())
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                self._over = True
                self._error = self._error or self._own_error or self._judge()
        if self._ready:
            return self._ready.popleft()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    def _feed(self, data: bytes) -> None:
        try:
            whole = self._whole.feed(data)
        except EventTooLarge as error:
            self._own_error = self._own_error or _bad(str(error))
            self._whole.rest()
            return
        self._tail.feed(whole)
        for event, _ in events_in(whole):
            if event:  # empty lines are nothing
                self._read(event)

    def _read(self, event: bytes) -> None:
        """Put an event with data among those that are ready; an error is kept for the end."""
        data = data_of(event)
        if self._own_error is not None or data in (b"", b"[DONE]"):
            return
        try:
            payload = decode(data or b"")
        except NOT_JSON:
            self._own_error = _bad("an event of the answer cannot be read")
            return
        self._last = data or b""
        if not isinstance(payload, dict):
            return
        if self._format.stage(payload) in (Stage.ERROR, Stage.BROKEN):
            told = from_event(error_of(payload))
            self._own_error = ModelError(told.status, str(told), code=told.code)
        else:
            self._ready.append(payload)

    def _judge(self) -> ModelError | None:
        """Say what is wrong with an answer whose node says that it is whole."""
        self._tail.feed(self._whole.rest())
        cut = self._format.ending(self._tail, self._last) is Ending.CUT
        return _bad("the answer ended in the middle") if cut else None


def error_of_attempt(failed: AttemptFailed) -> ModelError:
    """Return what a program is told of the attempt whose failure is the last word."""
    fault, told = failed.fault, failed.told
    if failed.error_sent:  # the words of the upstream's own event
        return ModelError(fault.status or 502, fault.message, code=fault.code, wait=fault.wait)
    if told is not None:
        return ModelError(told.status, str(told), code=told.code, wait=fault.wait)
    message = fault.message or f"the upstream answered {failed.status}"
    return ModelError(failed.status, message, code=fault.code, wait=fault.wait)


def node_stops(node: NodeId) -> ModelError:
    """Return what a program is told where its own node, or the plugin in it, stops."""
    return ModelError(503, f"{node}: the model-proxy plugin stops", code="stopping")


def _bad(message: str) -> ModelError:
    return ModelError(502, message, code="bad_answer")
