"""The serving node: answers a request of another node from one of its own upstreams."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import ExchangeFailure
from clawmatrix_core.spi import ByteBudget
from clawmatrix_model_proxy.kept_answers import limit_answers
from clawmatrix_model_proxy.serving.answer_sender import AnswerSender, SendLimits
from clawmatrix_model_proxy.wire import read_body, read_opening

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from clawmatrix_core import Exchange, Node
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.config import ModelProxyConfig
    from clawmatrix_model_proxy.serving.apis import Apis
    from clawmatrix_model_proxy.serving.upstream import Upstreams
    from clawmatrix_model_proxy.wire import Opening
    from clawmatrix_model_proxy.workers import Workers

__all__ = ["ModelServer", "note_failed"]

_REQUESTS = frozenset({"busy", "too_large", "cannot_convert", "bad_request", "model_not_found"})
_ANSWERS = frozenset({"answer_too_large", "upstream_broke"})


def _cancel_nothing() -> None:
    """Cancel nothing."""


def note_failed(node: Node, peer: str, code: str, words: str) -> None:
    """Count a refused request, or an answer of an upstream that cannot be used.

    The log line about a request names the node that asked. ``ModelServer`` logs the line about an
    answer, which names the model.
    """
    if code in _REQUESTS:
        node.switch.report(peer, f"model_{code}", words)
    elif code in _ANSWERS:
        node.counters[code] += 1


class ModelServer:
    """Answers ``model_req`` exchanges.

    Args:
        models: what answers for which model; of several with one id, in order of asking.
        apis: the APIs that they speak.
        workers: convert what is large.
        requests: counts the bytes of all requests, those of an earlier server too.
        answers: counts the bytes of all answers that are kept until they are whole.
        failed: told of each request that came to nothing: the node that asked, the error's code,
            and the error in words.
    """

    def __init__(
        self,
        config: ModelProxyConfig,
        models: Iterable[ModelUpstream],
        apis: Apis,
        upstreams: Upstreams,
        logger: logging.Logger,
        workers: Workers,
        requests: ByteBudget,
        answers: ByteBudget,
        failed: Callable[[str, str, str], None] = lambda peer, code, words: None,
    ) -> None:
        self._config = config
        self._requests = requests
        self._requests.most = max(config.max_requests, 2 * config.max_request)
        self._answers = limit_answers(answers, config.max_answers, config.max_answer)
        self._models: dict[str, list[ModelUpstream]] = {}
        for model in models:
            self._models.setdefault(model.id, []).append(model)
        self._apis = apis
        self._upstreams = upstreams
        self._logger = logger
        self._workers = workers
        self._failed = failed

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request. Raises: ExchangeFailure, which answers with that error."""
        # A request that came as a whole is read without waiting: there is nothing to cancel.
        reading = None if exchange.complete else anyio.CancelScope()
        give_up = _cancel_nothing if reading is None else reading.cancel
        try:
            opening = read_opening(exchange.request)
            model = self._find(opening)
            with self._requests.hold(exchange.peer, give_up) as held:
                body = await self._read(exchange, held, reading or nullcontext())
                await self._answer(exchange, model, opening, body)
        except ExchangeFailure as failure:
            self._failed(exchange.peer, failure.code, str(failure))
            raise

    async def _read(
        self, exchange: Exchange, held: ByteBudget.Held, reading: AbstractContextManager[object]
    ) -> bytes:
        limit = self._config.max_request
        with reading, suppress(ByteBudget.Exceeded):
            body = await read_body(exchange, limit, "too_large", "max_request", held.add)
            held.finish()
            return body
        message = "the requests of others leave no memory for this one (max_requests)"
        raise ExchangeFailure("busy", message, may_have_begun=False)

    async def _answer(
        self, exchange: Exchange, model: ModelUpstream, opening: Opening, body: bytes
    ) -> None:
        size = self._apis.weight(model, opening, len(body))
        make = partial(self._apis.call_for, model, opening, body)
        call = await self._workers.run(exchange.peer, size, make)
        api = self._apis.of(model)
        if model.first_token_timeout is not None and opening.signs:
            await exchange.send({"firstToken": float(model.first_token_timeout)})
        try:
            response = await self._upstreams.ask(model, api, call.path, call.body, opening)
            async with response:
                log, workers, answers = self._logger, self._workers, self._answers
                sender = AnswerSender(exchange, model, call, response, log, workers, answers)
                config = self._config
                await sender.run(SendLimits(config.max_answer, config.max_event, opening.signs))
        except ExchangeFailure as failure:
            self._logger.warning("model %s for %s: %s", model.id, exchange.peer, failure)
            raise

    def _find(self, opening: Opening) -> ModelUpstream:
        upstreams = self._models.get(opening.model, [])
        if not 0 <= opening.upstream < len(upstreams):
            message = f"the model {opening.model!r} is not served here"
            raise ExchangeFailure("model_not_found", message, may_have_begun=False)
        return upstreams[opening.upstream]
