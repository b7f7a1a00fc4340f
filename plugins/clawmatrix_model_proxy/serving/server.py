"""The serving node: answers a request of another node from one of its own upstreams."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from clawmatrix_core import ExchangeFailure
from clawmatrix_core.spi import ByteBudget
from clawmatrix_model_proxy.kept_answers import limit_answers
from clawmatrix_model_proxy.serving.admission import Admission, NotHere
from clawmatrix_model_proxy.serving.answer_sender import AnswerSender, SendLimits
from clawmatrix_model_proxy.serving.counting import Asked, ask_for_count
from clawmatrix_model_proxy.serving.wishes import wishes_of
from clawmatrix_model_proxy.wire import read_body, read_opening
from clawmatrix_model_proxy.workers import PASSED_ON

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractContextManager

    from clawmatrix_core import JSON, Exchange, Node
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.config import ModelProxyConfig
    from clawmatrix_model_proxy.serving.apis import Apis
    from clawmatrix_model_proxy.serving.keeping import Keeping
    from clawmatrix_model_proxy.serving.upstream import Upstreams
    from clawmatrix_model_proxy.wire import Opening, StoredAction
    from clawmatrix_model_proxy.workers import Workers

    Note = Callable[[tuple[str, ...]], None]

__all__ = ["ModelServer"]


def _cancel_nothing() -> None:
    """Cancel nothing."""


class ModelServer:
    """Answers ``model_req`` exchanges.

    Args:
        node: the node that serves.
        config: its table.
        models: what answers for which model; of several with one id, in order of asking.
        apis: the APIs that they speak.
        workers: convert what is large.
        requests: counts the bytes of all requests, those of an earlier server too.
        answers: counts the bytes of all answers that are kept until they are whole.
        keeping: knows the owners of the responses that upstreams keep.
    """

    def __init__(
        self,
        node: Node,
        config: ModelProxyConfig,
        models: Iterable[ModelUpstream],
        apis: Apis,
        upstreams: Upstreams,
        workers: Workers,
        requests: ByteBudget,
        answers: ByteBudget,
        keeping: Keeping,
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
        self._logger = node.logger("model-proxy")
        self._workers = workers
        self._keeping = keeping
        self._admission = Admission(node, config.members)

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request. Raises: ExchangeFailure, which answers with that error."""
        # A request that came as a whole is read without waiting: there is nothing to cancel.
        reading = None if exchange.complete else anyio.CancelScope()
        give_up = _cancel_nothing if reading is None else reading.cancel
        try:
            opening = read_opening(exchange.request)
            if opening.stored is not None:
                await self._answer_stored(exchange, opening, opening.stored)
                return
            if self._admission.needed:
                await self._admission.check(exchange, opening.model)
            model = self._find(opening)
            with self._requests.hold(exchange.peer, give_up) as held:
                body = await self._read(exchange, held, reading or nullcontext())
                await self._answer(exchange, model, opening, body)
        except NotHere as refused:
            self._admission.note_failed(exchange.peer, refused.code, refused.reason)
            raise
        except ExchangeFailure as failure:
            self._admission.note_failed(exchange.peer, failure.code, str(failure))
            raise

    def lacking(self, model: str, upstream: int) -> list[dict[str, JSON]]:
        """Return what ``clawmatrix models -v`` shows of what an upstream lacks."""
        found = self._models.get(model, [])[upstream : upstream + 1]
        return self._upstreams.lacks.describe(found[0]) if found else []

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
        note = None
        if opening.format == "responses" and self._apis.kept_at(model) is not None:
            body, note = await self._checked(exchange, model, body)
        if model.first_token_timeout is not None and opening.signs:
            await exchange.send({"firstToken": float(model.first_token_timeout)})
        ask = partial(self._ask, exchange.peer, model, opening, body)
        await self._pass(exchange, model, opening, ask, note)

    async def _checked(
        self, exchange: Exchange, model: ModelUpstream, body: bytes
    ) -> tuple[bytes, Note | None]:
        """Return a request that may be put to an upstream, and what notes its answer's ids."""
        key, size = exchange.peer_key or b"", len(body) // PASSED_ON
        body, wishes = await self._workers.run(exchange.peer, size, partial(wishes_of, body))
        await self._keeping.check(key, model, wishes)
        return body, self._keeping.noting(key, model) if wishes.stores else None

    async def _answer_stored(
        self, exchange: Exchange, opening: Opening, wanted: StoredAction
    ) -> None:
        """Answer a question about a response that an upstream keeps."""
        key = exchange.peer_key or b""
        model, call = self._keeping.question(key, wanted, self._models, streams=opening.stream)
        if self._admission.needed:
            await self._admission.check(exchange, model.id)
        api = self._apis.of(model)

        async def ask() -> Asked:
            asked = self._upstreams.ask(model, api, call.path, call.body, opening, call.method)
            return call, await asked

        note = self._keeping.noting(key, model) if wanted.action == "get" else None
        status = await self._pass(exchange, model, opening, ask, note)
        if wanted.action == "delete" and status < 300:
            self._keeping.deleted(key, wanted)

    async def _pass(
        self,
        exchange: Exchange,
        model: ModelUpstream,
        opening: Opening,
        ask: Callable[[], Awaitable[Asked]],
        note: Note | None,
    ) -> int:
        """Ask an upstream and pass its answer on; return the upstream's status."""
        try:
            call, response = await ask()
            async with response:
                log, workers, answers = self._logger, self._workers, self._answers
                sender = AnswerSender(exchange, model, call, response, log, workers, answers, note)
                if self._upstreams.lacks:
                    sender.lacks = tuple(self._upstreams.lacks.of(model))
                config = self._config
                await sender.run(SendLimits(config.max_answer, config.max_event, opening.signs))
                return response.status
        except ExchangeFailure as failure:
            self._logger.warning("model %s for %s: %s", model.id, exchange.peer, failure)
            raise

    async def _ask(self, peer: str, model: ModelUpstream, opening: Opening, body: bytes) -> Asked:
        """Ask a model's upstream, and return what was asked with the answer.

        Raises: ExchangeFailure.
        """
        size, api = self._apis.weight(model, opening, len(body)), self._apis.of(model)

        async def ask(by_answer: bool) -> Asked:
            await self._apis.prepare(model, opening, by_answer=by_answer)
            make = partial(self._apis.call_for, model, opening, body, by_answer=by_answer)
            call = await self._workers.run(peer, size, make)
            return call, await self._upstreams.ask(model, api, call.path, call.body, opening)

        if opening.format != "count_tokens":
            return await ask(False)
        await self._apis.prepare(model, opening)
        path = self._apis.count_path(model)
        if path is None:
            return await ask(False)
        return await ask_for_count(self._upstreams.lacks, model, path, ask)

    def _find(self, opening: Opening) -> ModelUpstream:
        upstreams = self._models.get(opening.model, [])
        if not 0 <= opening.upstream < len(upstreams):
            raise NotHere(f"the model {opening.model!r} is not served here")
        return upstreams[opening.upstream]
