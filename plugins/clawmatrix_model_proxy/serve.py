"""The serving side: requests of other nodes, answered by this node's upstreams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.errors import ExchangeFailure
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.formats import FORMATS, Format, native
from clawmatrix_model_proxy.reply import ReplyPasser
from clawmatrix_model_proxy.rewrite import with_model
from clawmatrix_model_proxy.wire import read_opening

if TYPE_CHECKING:
    import logging

    from clawmatrix_core.exchange import Exchange
    from clawmatrix_model_proxy.config import ModelConfig, ModelProxyConfig
    from clawmatrix_model_proxy.upstream import Upstreams
    from clawmatrix_model_proxy.wire import Opening

__all__ = ["ModelServer", "collect"]


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
        format = _format_for(model, opening)
        body = await self._read_request(exchange, model)
        try:
            async with self._upstreams.ask(model, format.path, body, opening) as reply:
                await ReplyPasser(exchange, model, format, reply, self._logger).run(
                    self._config.max_answer
                )
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


def _format_for(model: ModelConfig, opening: Opening) -> Format:
    format = FORMATS.get(opening.format)
    if format is None or not native(model.api, format.name):
        message = f"the upstream of {model.id!r} speaks {model.api}, not {opening.format!r}"
        raise ExchangeFailure("cannot_convert", message, may_have_begun=False)
    return format
