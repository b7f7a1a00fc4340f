"""The serving side: requests of other nodes, answered by this node's upstreams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from clawmatrix_core.errors import ExchangeError, ExchangeFailure
from clawmatrix_model_proxy.errors import ApiError, wrap_upstream_error
from clawmatrix_model_proxy.events import EVENT_LIMIT, EventFilter, EventTooLarge
from clawmatrix_model_proxy.faults import fault_of_event
from clawmatrix_model_proxy.pipe import Pipe
from clawmatrix_model_proxy.rewrite import is_json, with_model
from clawmatrix_model_proxy.sse import Ending, Tail
from clawmatrix_model_proxy.wire import TOLD, Head, read_opening

if TYPE_CHECKING:
    import logging

    from clawmatrix_core.exchange import Exchange
    from clawmatrix_model_proxy.config import ModelConfig, ModelProxyConfig
    from clawmatrix_model_proxy.upstream import Reply, Upstreams
    from clawmatrix_model_proxy.wire import Opening

__all__ = ["ModelServer", "collect"]

ERROR_LIMIT = 1024 * 1024
"""Bytes an upstream's error may have."""
_JSON = "application/json"


async def collect(exchange: Exchange, limit: int, code: str, limit_name: str) -> bytes:
    """Return the bytes of an exchange up to its end.

    Raises: ExchangeFailure with the code, over the limit; other ExchangeErrors.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in exchange:
        if not isinstance(piece, bytes):
            raise ExchangeFailure("bad_request", f"{exchange.peer} sent JSON in place of bytes")
        size += len(piece)
        if size > limit:
            raise ExchangeFailure(code, f"more than {limit:d} bytes ({limit_name})")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class ModelServer:
    """Answers ``model_req`` exchanges."""

    def __init__(
        self, config: ModelProxyConfig, upstreams: Upstreams, logger: logging.Logger
    ) -> None:
        self._config = config
        self._models: dict[str, list[ModelConfig]] = {}
        for model in config.models:
            self._models.setdefault(model.id, []).append(model)
        self._upstreams = upstreams
        self._logger = logger

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request. Raises: ExchangeFailure, which answers with that error."""
        opening = read_opening(exchange.request)
        model = self._find(opening)
        body = await self._read_request(exchange, model)
        try:
            async with self._upstreams.ask(model, body, accept=opening.accept) as reply:
                await self._answer(exchange, model, reply)
        except ExchangeFailure as failure:
            self._logger.warning("model %s for %s: %s", model.id, exchange.peer, failure)
            raise

    def _find(self, opening: Opening) -> ModelConfig:
        upstreams = self._models.get(opening.model, [])
        if not 0 <= opening.upstream < len(upstreams):
            message = f"the model {opening.model!r} is not served here"
            raise ExchangeFailure("model_not_found", message, may_have_begun=False)
        return upstreams[opening.upstream]

    async def _read_request(self, exchange: Exchange, model: ModelConfig) -> bytes:
        limit = self._config.max_request
        body = await collect(exchange, limit, "too_large", "max_request")
        try:
            return with_model(body, model.name_there)
        except ApiError as error:
            raise ExchangeFailure("bad_request", str(error), may_have_begun=False) from None

    async def _answer(self, exchange: Exchange, model: ModelConfig, reply: Reply) -> None:
        if not 200 <= reply.status < 300:
            body = wrap_upstream_error(reply.status, await reply.read(ERROR_LIMIT))
            status = reply.status if 400 <= reply.status <= 599 else 502
            await self._send_head(exchange, model, reply, status, _JSON)
            await exchange.finish(body)
        elif reply.streams:
            await self._stream(exchange, model, reply)
        else:
            body = await self._read_whole(reply)
            await self._send_head(exchange, model, reply, reply.status, reply.content_type)
            await exchange.finish(body)

    async def _read_whole(self, reply: Reply) -> bytes:
        body = await reply.read(self._config.max_answer)
        if not reply.framed and not is_json(body):
            raise ExchangeFailure("upstream_broke", "the upstream's answer is cut off")
        return body

    async def _stream(self, exchange: Exchange, model: ModelConfig, reply: Reply) -> None:
        """Pass on a stream of events. Raises: ExchangeFailure, where it was cut off."""
        passing = _Passing()
        error: ExchangeError | None = None
        pipe = Pipe()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reply.pump, pipe)
            try:
                async for data in pipe:
                    if ready := passing.feed(data):
                        await self._pass_on(exchange, model, reply, passing, ready)
            except ExchangeError as failed:
                error = failed
            tasks.cancel_scope.cancel()
        if passing.events.malformed:
            self._logger.warning(
                "model %s: %d malformed events cut out", model.id, passing.events.malformed
            )
        await self._end(exchange, model, reply, passing, error)

    async def _pass_on(
        self, exchange: Exchange, model: ModelConfig, reply: Reply, passing: _Passing, data: bytes
    ) -> None:
        if not passing.headed:
            passing.headed = True
            await self._send_head(exchange, model, reply, reply.status, reply.content_type)
        await exchange.send(data)

    async def _end(
        self,
        exchange: Exchange,
        model: ModelConfig,
        reply: Reply,
        passing: _Passing,
        error: ExchangeError | None,
    ) -> None:
        if passing.events.error is not None and not passing.headed:
            # It never began: as good as an answer with that status.
            fault = fault_of_event(passing.events.error)
            body = ApiError(502, fault.message, type="upstream_error", code=fault.code).body()
            await self._send_head(exchange, model, reply, fault.status or 502, _JSON)
            await exchange.finish(body)
            return
        ending, rest = passing.ending()
        if ending is Ending.ERROR:
            raise ExchangeFailure(TOLD, "the upstream ended with an error", detail=passing.last)
        if ending is Ending.DONE or (error is None and ending is not Ending.CUT):
            if rest or not passing.headed:
                await self._pass_on(exchange, model, reply, passing, rest)
            await exchange.finish()
            return
        raise error or ExchangeFailure(
            "upstream_broke", "the upstream's answer ended in the middle"
        )

    async def _send_head(
        self, exchange: Exchange, model: ModelConfig, reply: Reply, status: int, type_: str
    ) -> None:
        head = Head(
            status=status,
            content_type=type_,
            upstream_model=model.name_there,
            upstream_ms=reply.elapsed_ms(),
            headers=reply.headers,
        )
        await exchange.send(head)


class _Passing:
    """A stream on its way through, kept back until it means something.

    Attributes:
        events: what is whole in it.
        headed: the head of the answer has been sent.
    """

    def __init__(self) -> None:
        self.events = EventFilter()
        self.headed = False
        self._tail = Tail()
        self._held: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """Return what may go out now. Raises: ExchangeFailure."""
        try:
            whole = self.events.feed(data)
        except EventTooLarge:
            message = f"an event of the upstream has more than {EVENT_LIMIT} bytes"
            raise ExchangeFailure("answer_too_large", message) from None
        return self._let(whole)

    def _let(self, whole: bytes) -> bytes:
        if whole:
            self._tail.feed(whole)
            self._held.append(whole)
        if not self.events.begun or self.events.error is not None or not self._held:
            return b""
        held, self._held = self._held, []
        return b"".join(held)

    def ending(self) -> tuple[Ending, bytes]:
        """Say how the stream ended, and return what is left to be sent of it."""
        rest = self.events.finish()
        if rest:
            self._tail.feed(rest)
            self._held.append(rest)
        return self._tail.ending(), b"".join(self._held)

    @property
    def last(self) -> Any:
        """The error that the stream ended with."""
        return self._tail.error()
