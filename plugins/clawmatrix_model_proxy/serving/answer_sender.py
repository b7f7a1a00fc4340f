"""Sends an upstream's answer to the node that asked for it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from clawmatrix_core import ExchangeError, ExchangeFailure
from clawmatrix_core.spi import ByteBudget
from clawmatrix_model_proxy.errors import from_event
from clawmatrix_model_proxy.json_values import decode
from clawmatrix_model_proxy.kept_answers import UNCOUNTED, WaitingBytes, no_memory
from clawmatrix_model_proxy.neutral.failures import BadAnswer, UpstreamError
from clawmatrix_model_proxy.request_body import is_json
from clawmatrix_model_proxy.serving.begun import Begun, stream_type
from clawmatrix_model_proxy.serving.byte_queue import ByteQueue
from clawmatrix_model_proxy.serving.key_verdict import ERROR_LIMIT
from clawmatrix_model_proxy.serving.upstream_call import ErrorAnswer, error_of_answer
from clawmatrix_model_proxy.streams.beginning import Beginning, beginning_of
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.events import ERROR_WORDS
from clawmatrix_model_proxy.streams.sse import EventTooLarge, portions
from clawmatrix_model_proxy.wire import UPSTREAM_FAILED, Head
from clawmatrix_model_proxy.workers import imported

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from clawmatrix_core import Exchange
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.serving.patience import StreamPatience
    from clawmatrix_model_proxy.serving.upstream import UpstreamResponse
    from clawmatrix_model_proxy.serving.upstream_call import UpstreamCall
    from clawmatrix_model_proxy.streams.answer_stream import AnswerStream
    from clawmatrix_model_proxy.workers import Workers

__all__ = ["AnswerSender", "SendLimits"]

SIGNS = 5.0
"""Seconds between two signs of life that the asking node is sent."""
ALIVE = {"alive": True}
"""See ``wire.Sign``."""
LINGER = 0.25
"""Seconds for which the end of a body is awaited behind the end of its stream, so that the
connection may be used again. There are servers that close neither."""
SECRET_LENGTH = 12
"""Characters from which on a key is a secret; shorter ones are words like ``ollama``."""
_WAITS = frozenset({"retry-after", "retry-after-ms", "x-ms-retry-after-ms"})
"""Headers that say how long to wait; where the upstream sent one, its body is not asked."""
_JSON = "application/json"
_LARGE = int(UNCOUNTED)  # which is compared faster
_encode = msgspec.json.Encoder().encode


class SendLimits(msgspec.Struct, frozen=True):
    """What an answer is kept to, in bytes, and how it is asked for.

    Attributes:
        max_answer: of an answer that is kept until it is whole.
        max_event: of one event of a stream.
        signs: the asking node takes a sign of life before the head.
    """

    max_answer: int
    max_event: int
    signs: bool = False


class AnswerSender:
    """Sends one answer, in the client's format.

    Attributes:
        lacks: endpoints that the upstream is known to lack, which the asking node is told.
    """

    def __init__(
        self,
        exchange: Exchange,
        model: ModelUpstream,
        call: UpstreamCall,
        response: UpstreamResponse,
        logger: logging.Logger,
        workers: Workers,
        answers: ByteBudget,
        note: Callable[[tuple[str, ...]], None] | None = None,
    ) -> None:
        """Make one; ``note`` is told ids of the answer before the client has them."""
        self._exchange = exchange
        self._model = model
        self._call = call
        self._response = response
        self._logger = logger
        self._workers = workers
        self._answers = answers
        self._note = note or _note_nothing
        self._headed = False
        self._held: list[bytes] = []
        self._held_size = 0
        self._sign_due = 0.0
        self.lacks: tuple[str, ...] = ()

    async def run(self, limits: SendLimits) -> None:
        """Send it to its end. Raises: ExchangeFailure, where it is cut off."""
        response = self._response
        if not 200 <= response.status < 300:
            body = await response.read(ERROR_LIMIT)
            await self._send_error(self._call.error(response.status, body))
        elif (stream := self._stream_of_call(limits)) is not None:
            await self._stream(stream, limits)
        else:
            await self._whole(limits.max_answer)

    def _stream_of_call(self, limits: SendLimits) -> AnswerStream | None:
        try:
            return self._call.stream(limits.max_event)
        except BadAnswer as bad:
            raise self._bad_answer(bad) from None

    async def _send_error(self, error: ErrorAnswer) -> None:
        head = self._head(error.status, _JSON)
        if error.headers and not _WAITS & head.headers.keys():
            head = msgspec.structs.replace(head, headers={**error.headers, **head.headers})
        await self._exchange.finish(head, self._without_keys(error.body))

    def _without_keys(self, error: bytes) -> bytes:
        """Return an error without what it has of keys: there are servers that repeat them."""
        for key in self._model.keys:
            word = key.reveal().encode()
            if len(word) >= SECRET_LENGTH:
                error = error.replace(word, b"[key]").replace(word.replace(b"/", b"\\/"), b"[key]")
        return error

    def _words(self, error: str) -> str:
        return self._without_keys(error.encode(errors="replace")).decode()[:ERROR_WORDS]

    def _bad_answer(self, bad: BadAnswer) -> ExchangeFailure:
        return ExchangeFailure("upstream_broke", self._words(str(bad)))

    async def _whole(self, limit: int) -> None:
        if (whole := self._response.whole(limit)) is not None:
            await self._pass_on(whole)
            return
        reading = anyio.CancelScope()
        with self._answers.hold(self._model.id, reading.cancel) as held:
            with reading, suppress(ByteBudget.Exceeded):
                body = await self._response.read(limit, held.add)
                held.finish()
                await self._pass_on(body)
                return
            raise no_memory()

    async def _pass_on(self, body: bytes) -> None:
        response = self._response
        json = beginning_of(body) is not Beginning.EVENTS
        if not response.framed and json and not is_json(body):
            raise ExchangeFailure("upstream_broke", "the upstream's answer is cut off")
        await imported(self._call.needs(body))
        weight = self._call.weight(len(body))
        read = partial(self._call.whole, body, response.content_type)
        try:
            whole = await self._workers.run(self._exchange.peer, weight, read)
        except BadAnswer as bad:
            own = bad.words.body if isinstance(bad, UpstreamError) else error_of_answer(body)
            if own is None:
                raise self._bad_answer(bad) from None
            await self._send_stream_error(own)
            return
        self._note(whole.item_ids)
        head = self._head(response.status, whole.type, whole.answer_id)
        await self._exchange.finish(head, whole.body)

    def _head(self, status: int, type_: str, answer_id: str = "") -> Head:
        self._headed = True
        if answer_id:
            self._note((answer_id,))
        response = self._response
        return Head(
            status=status,
            content_type=type_,
            upstream_model=self._model.name_there,
            upstream_ms=response.elapsed_ms(),
            headers=response.headers,
            answer_id=answer_id,
            lacks=self.lacks,
            dropped=", ".join(self._call.dropped) if self._call.dropped else "",
        )

    # --- streams

    async def _stream(self, stream: AnswerStream, limits: SendLimits) -> None:
        held: list[ExchangeError] = []  # of one; a variable would be in a circle with its frames
        queue, patience = ByteQueue(), self._response.patience(stream)
        body: bytes | None = None
        async with anyio.create_task_group() as tasks:
            stop = tasks.cancel_scope.cancel
            waiting = WaitingBytes(self._answers, self._model.id, stop)
            tasks.start_soon(self._response.pump, queue, patience)
            try:
                begun = Begun(queue, self._response.content_type)
                if await begun.is_stream():
                    await self._events(stream, begun, patience, waiting, limits)
                else:
                    body = await begun.whole(limits.max_answer, waiting)
            except ExchangeError as failed:
                held.append(failed.with_traceback(None))
            finally:
                waiting.release()
            stop()
        if waiting.given_up:
            raise no_memory()
        if body is not None:
            await self._pass_on(body)
            return
        if stream.malformed:
            count = stream.malformed
            self._logger.warning("model %s: %d malformed events cut out", self._model.id, count)
        await self._end(stream, held)

    async def _events(
        self,
        stream: AnswerStream,
        begun: Begun,
        patience: StreamPatience,
        waiting: WaitingBytes,
        limits: SendLimits,
    ) -> None:
        async for data in begun.queue:
            for portion in portions(data):
                size = stream.waiting + len(portion)
                large = size > _LARGE
                fed = await self._fed(stream, portion, size) if large else None
                ready = self._feed(stream, portion) if fed is None else fed
                if patience.heard() and limits.signs:
                    await self._give_sign()
                waiting.note(stream.waiting + self._held_size)
                if ready:
                    if stream.over and stream.item_ids:
                        self._note(stream.item_ids)
                    await self._send(stream, ready)
                if portion is not data:
                    await checkpoint()
            if stream.over:
                await _await_end(begun.queue)
                return

    async def _fed(self, stream: AnswerStream, data: bytes, size: int) -> bytes:
        """Return what ``_feed`` does, which looks at an event that is large in a worker thread."""
        work = partial(self._feed, stream, data)
        return await self._workers.run(self._exchange.peer, self._call.weight(size), work)

    async def _give_sign(self) -> None:
        """Tell the asking node that the model works: not each time, since that is a frame."""
        now = anyio.current_time()
        if not self._headed and now >= self._sign_due:
            self._sign_due = now + SIGNS
            await self._exchange.send(ALIVE)

    def _feed(self, stream: AnswerStream, data: bytes) -> bytes:
        """Return what may go out now: nothing before the answer means something."""
        try:
            whole = stream.feed(data)
        except EventTooLarge as error:
            raise ExchangeFailure("answer_too_large", str(error)) from None
        except BadAnswer as error:
            raise self._bad_answer(error) from None
        if whole and stream.error is not None:
            whole = self._without_keys(whole)
        if not whole or self._headed:
            return whole
        self._held.append(whole)
        self._held_size += len(whole)
        return b"".join(self._held) if stream.begun else b""

    async def _send(self, stream: AnswerStream, data: bytes) -> None:
        if self._headed:
            await self._exchange.send(data)
            return
        self._held.clear()
        self._held_size = 0
        response = self._response
        head = self._head(response.status, stream_type(response.content_type), stream.answer_id)
        await self._exchange.send(head, data)

    async def _end(self, stream: AnswerStream, held: list[ExchangeError]) -> None:
        own = stream.error
        try:
            rest, ending = stream.finish()
        except BadAnswer as bad:
            raise self._bad_answer(bad) from None
        if held and own is None and ending is Ending.CUT:
            raise held.pop()  # what cut it off says more than what may be missing of it
        if stream.error is not None and not self._headed:
            await self._send_stream_error(stream.error)
            return
        if ending is Ending.ERROR:
            if rest:
                await self._send(stream, self._without_keys(b"".join([*self._held, rest])))
            message = "the upstream ended with an error"
            told = self._without_keys(_encode(stream.error))
            raise ExchangeFailure(UPSTREAM_FAILED, message, detail=decode(told))
        if not stream.begun and ending is Ending.DONE:
            words = "the upstream's answer says nothing"
            raise held.pop() if held else ExchangeFailure("upstream_broke", words)
        if ending is Ending.DONE or (not held and ending is not Ending.CUT):
            self._note(stream.item_ids)
            if rest or not self._headed:
                await self._send(stream, b"".join([*self._held, rest]))
            await self._exchange.finish()
            return
        raise held.pop() if held else self._cut(stream)

    def _cut(self, stream: AnswerStream) -> ExchangeFailure:
        why = "the upstream's answer ended in the middle"
        if stream.error is not None:
            why = self._words(str(from_event(stream.error)))
        return ExchangeFailure("upstream_broke", why)

    async def _send_stream_error(self, error: Any) -> None:
        """Send an error of a stream that has not begun: as an answer with its status."""
        told = from_event(error)
        await self._send_error(ErrorAnswer(told.status, told.body(self._call.format)))


def _note_nothing(ids: tuple[str, ...]) -> None:
    """Note nothing: nobody will ask for the answer."""


async def _await_end(queue: ByteQueue) -> None:
    with anyio.move_on_after(LINGER):
        async for _ in queue:
            pass
