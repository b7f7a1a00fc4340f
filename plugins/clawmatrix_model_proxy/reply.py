"""An upstream's answer on its way to the node that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from clawmatrix_core.errors import ExchangeError, ExchangeFailure
from clawmatrix_model_proxy.errors import wrap_upstream_error
from clawmatrix_model_proxy.events import EVENT_LIMIT, EventFilter, EventTooLarge
from clawmatrix_model_proxy.faults import fault_of_event
from clawmatrix_model_proxy.pipe import Pipe
from clawmatrix_model_proxy.rewrite import is_json
from clawmatrix_model_proxy.sse import Ending, Tail
from clawmatrix_model_proxy.stages import error_of
from clawmatrix_model_proxy.wire import TOLD, Head

if TYPE_CHECKING:
    import logging

    from clawmatrix_core.exchange import Exchange
    from clawmatrix_model_proxy.config import ModelConfig
    from clawmatrix_model_proxy.formats import Format
    from clawmatrix_model_proxy.upstream import Reply

__all__ = ["ReplyPasser"]

ERROR_LIMIT = 1024 * 1024
"""Bytes an upstream's error may have."""
_JSON = "application/json"


class _Named(msgspec.Struct):
    id: str = ""


_read_name = msgspec.json.Decoder(_Named).decode


class ReplyPasser:
    """Passes one answer on, in the format that both ends speak."""

    def __init__(
        self,
        exchange: Exchange,
        model: ModelConfig,
        format: Format,
        reply: Reply,
        logger: logging.Logger,
    ) -> None:
        self._exchange = exchange
        self._model = model
        self._format = format
        self._reply = reply
        self._logger = logger
        self._headed = False
        self._events = EventFilter(format.stage)
        self._tail = Tail()
        self._held: list[bytes] = []

    async def run(self, max_answer: int) -> None:
        """Pass it on to its end. Raises: ExchangeFailure, where it is cut off."""
        reply = self._reply
        if not 200 <= reply.status < 300:
            body = wrap_upstream_error(reply.status, await reply.read(ERROR_LIMIT), self._format)
            await self._refuse(reply.status if 400 <= reply.status <= 599 else 502, body)
        elif reply.streams:
            await self._stream()
        else:
            body = await self._read_whole(max_answer)
            await self._send_head(reply.status, reply.content_type, _name_of(body))
            await self._exchange.finish(body)

    async def _refuse(self, status: int, body: bytes) -> None:
        await self._send_head(status, _JSON)
        await self._exchange.finish(body)

    async def _read_whole(self, limit: int) -> bytes:
        body = await self._reply.read(limit)
        if not self._reply.framed and not is_json(body):
            raise ExchangeFailure("upstream_broke", "the upstream's answer is cut off")
        return body

    async def _send_head(self, status: int, type_: str, answer_id: str = "") -> None:
        self._headed = True
        reply = self._reply
        head = Head(
            status=status,
            content_type=type_,
            upstream_model=self._model.name_there,
            upstream_ms=reply.elapsed_ms(),
            headers=reply.headers,
            answer_id=answer_id,
        )
        await self._exchange.send(head)

    # --- streams

    async def _stream(self) -> None:
        error: ExchangeError | None = None
        pipe = Pipe()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._reply.pump, pipe)
            try:
                async for data in pipe:
                    if ready := self._feed(data):
                        await self._pass_on(ready)
            except ExchangeError as failed:
                error = failed
            tasks.cancel_scope.cancel()
        if self._events.malformed:
            count = self._events.malformed
            self._logger.warning("model %s: %d malformed events cut out", self._model.id, count)
        await self._end(error)

    def _feed(self, data: bytes) -> bytes:
        """Return what may go out now: nothing before the answer means something."""
        events = self._events
        try:
            whole = events.feed(data)
        except EventTooLarge:
            message = f"an event of the upstream has more than {EVENT_LIMIT} bytes"
            raise ExchangeFailure("answer_too_large", message) from None
        if not whole:
            return b""
        self._tail.feed(whole)
        if self._headed:
            return whole
        self._held.append(whole)
        return b"".join(self._held) if events.begun and events.error is None else b""

    async def _pass_on(self, data: bytes) -> None:
        if not self._headed:
            self._held.clear()
            reply = self._reply
            await self._send_head(reply.status, reply.content_type, self._events.answer_id)
        await self._exchange.send(data)

    async def _end(self, error: ExchangeError | None) -> None:
        if self._events.error is not None and not self._headed:
            await self._end_unbegun(self._events.error)
            return
        rest = self._events.finish()
        if rest:
            self._tail.feed(rest)
        ending = self._format.ending(self._tail, self._events.last)
        if ending is Ending.ERROR:
            raise ExchangeFailure(TOLD, "the upstream ended with an error", detail=self._told())
        if ending is Ending.DONE or (error is None and ending is not Ending.CUT):
            if rest or not self._headed:
                await self._pass_on(b"".join([*self._held, rest]))
            await self._exchange.finish()
            return
        cut = "the upstream's answer ended in the middle"
        raise error or ExchangeFailure("upstream_broke", cut)

    async def _end_unbegun(self, error: Any) -> None:
        # It never began: as good as an answer with that status.
        fault = fault_of_event(error)
        status = fault.status or 502
        fields = {
            "message": fault.message,
            "type": "upstream_error",
            "param": None,
            "code": fault.code,
        }
        await self._refuse(status, self._format.error(status, fields))

    def _told(self) -> Any:
        payload = msgspec.json.decode(self._events.last)
        return error_of(payload) if isinstance(payload, dict) else payload


def _name_of(body: bytes) -> str:
    try:
        return _read_name(body).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
