"""The serving node: answers a request of another node from one of its own upstreams."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clawmatrix_core import ExchangeFailure
from clawmatrix_model_proxy.serving.answer_sender import AnswerSender
from clawmatrix_model_proxy.wire import read_body, read_opening

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from clawmatrix_core import Exchange
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.config import ModelProxyConfig
    from clawmatrix_model_proxy.serving.apis import Apis
    from clawmatrix_model_proxy.serving.upstream import Upstreams
    from clawmatrix_model_proxy.wire import Opening
    from clawmatrix_model_proxy.workers import Workers

__all__ = ["ModelServer"]


class ModelServer:
    """Answers ``model_req`` exchanges.

    Args:
        models: what answers for which model; of several with one id, in order of asking.
        apis: the APIs that they speak.
        workers: convert what is large.
    """

    def __init__(
        self,
        config: ModelProxyConfig,
        models: Iterable[ModelUpstream],
        apis: Apis,
        upstreams: Upstreams,
        logger: logging.Logger,
        workers: Workers,
    ) -> None:
        self._config = config
        self._models: dict[str, list[ModelUpstream]] = {}
        for model in models:
            self._models.setdefault(model.id, []).append(model)
        self._apis = apis
        self._upstreams = upstreams
        self._logger = logger
        self._workers = workers

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request. Raises: ExchangeFailure, which answers with that error."""
        opening = read_opening(exchange.request)
        model = self._find(opening)
        body = await read_body(exchange, self._config.max_request, "too_large", "max_request")
        size = self._apis.weight(model, opening, len(body))
        make = partial(self._apis.call_for, model, opening, body)
        call = await self._workers.run(exchange.peer, size, make)
        api = self._apis.of(model)
        try:
            async with self._upstreams.ask(model, api, call.path, call.body, opening) as response:
                sender = AnswerSender(exchange, model, call, response, self._logger, self._workers)
                await sender.run(self._config.max_answer)
        except ExchangeFailure as failure:
            self._logger.warning("model %s for %s: %s", model.id, exchange.peer, failure)
            raise

    def _find(self, opening: Opening) -> ModelUpstream:
        upstreams = self._models.get(opening.model, [])
        if not 0 <= opening.upstream < len(upstreams):
            message = f"the model {opening.model!r} is not served here"
            raise ExchangeFailure("model_not_found", message, may_have_begun=False)
        return upstreams[opening.upstream]
