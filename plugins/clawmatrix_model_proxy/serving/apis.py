"""The APIs that upstreams speak, and how a request is put to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread

from clawmatrix_core import StartError
from clawmatrix_model_proxy.api import ModelApi
from clawmatrix_model_proxy.neutral.failures import Unsupported
from clawmatrix_model_proxy.serving.later_codec import CLIENTS, LaterCodec, client_codec, loaded
from clawmatrix_model_proxy.serving.paths import path_there
from clawmatrix_model_proxy.serving.upstream_call import PassthroughCall, UpstreamCall, unsent
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.workers import PASSED_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.neutral.codec import UpstreamCodec
    from clawmatrix_model_proxy.streams.formats import Format
    from clawmatrix_model_proxy.wire import Opening

__all__ = ["BUILT_IN", "Apis"]

BUILT_IN = (
    ModelApi(
        "openai-completions",
        {"chat": "chat/completions", "embeddings": "embeddings"},
        LaterCodec("chat", CLIENTS["chat"]),
    ),
    ModelApi(
        "openai-responses",
        {"responses": "responses", "embeddings": "embeddings"},
        LaterCodec("responses", CLIENTS["responses"]),
    ),
    ModelApi(
        "anthropic-messages",
        {"messages": "messages", "count_tokens": "messages/count_tokens"},
        LaterCodec("messages", CLIENTS["messages"]),
        key_header=("x-api-key", ""),
        headers={"anthropic-version": "2023-06-01"},
    ),
)


class Apis:
    """The APIs that this node's upstreams may speak.

    Args:
        apis: all there are; of two with one name the first counts.
        now: returns seconds since 1970.
        new_id: makes an id that begins with the letters it is given.
    """

    def __init__(
        self, apis: Iterable[ModelApi], *, now: Callable[[], float], new_id: Callable[[str], str]
    ) -> None:
        self._apis: dict[str, ModelApi] = {}
        for api in apis:
            self._apis.setdefault(api.name, api)
        self._now = now
        self._new_id = new_id
        self._prepared: set[tuple[str, str]] = set()

    def check(self, models: Iterable[ModelUpstream]) -> None:
        """Raises: StartError, where a model's upstream speaks an API that is not among them."""
        for model in models:
            if model.api not in self._apis:
                known = ", ".join(self._apis)
                raise StartError(
                    f'model-proxy: the model "{model.id}": no loaded plugin has the API'
                    f' "{model.api}"; there are {known}',
                    exit_code=2,
                )

    def __contains__(self, name: object) -> bool:
        return name in self._apis

    def of(self, model: ModelUpstream) -> ModelApi:
        """Return the API that a model's upstream speaks."""
        return self._apis[model.api]

    def kept_at(self, model: ModelUpstream) -> str | None:
        """Return the path below which a model's upstream keeps responses; None without one."""
        path = self._apis[model.api].paths.get("responses")
        return None if path is None else path_there(model, path)

    def weight(self, model: ModelUpstream, opening: Opening, size: int) -> int:
        """Return the bytes of a request as far as there is work in them: see ``workers``."""
        passes = opening.format in self._apis[model.api].paths
        return size // PASSED_ON if passes else size

    def count_path(self, model: ModelUpstream) -> str | None:
        """Return where a model's API has tokens counted without an answer, None for nowhere."""
        api = self._apis[model.api]
        if (path := api.paths.get("count_tokens")) is not None:
            return path
        from clawmatrix_model_proxy.serving import conversions

        return conversions.count_path(api)

    async def prepare(
        self, model: ModelUpstream, opening: Opening, *, by_answer: bool = False
    ) -> None:
        """Import what ``call_for`` converts the request with, where it does.

        That is done in a thread: it takes longer than the loop may stand still.
        """
        api, name = self._apis[model.api], opening.format
        if api.codec is None or (name in api.paths and not by_answer):
            return
        client = "messages" if name == "count_tokens" else name
        pair = client, api.name
        if client in CLIENTS and pair not in self._prepared:
            await anyio.to_thread.run_sync(_import_for, client, api.codec)
            self._prepared.add(pair)

    def call_for(
        self, model: ModelUpstream, opening: Opening, body: bytes, *, by_answer: bool = False
    ) -> UpstreamCall:
        """Return how a model's upstream is asked, and how its answer is read.

        ``by_answer`` has tokens counted by an answer, for an upstream that lacks its API's way.

        Raises: ExchangeFailure ``cannot_convert`` or ``bad_request``; nothing has begun then.
        """
        api, format = self._apis[model.api], FORMATS.get(opening.format)
        if format is not None and format.name in api.paths and not by_answer:
            return PassthroughCall.of(
                format,
                path_there(model, api.paths[format.name]),
                body,
                model,
                streams=opening.stream and format.streams,
            )
        counts = format is not None and format.name == "count_tokens"
        if format is not None and api.codec is not None and (counts or format.name in CLIENTS):
            return self._converted(model, api, format, body, by_answer=by_answer)
        message = f"the upstream of {model.id!r} speaks {model.api}, not {opening.format!r}"
        raise unsent("cannot_convert", message)

    def _converted(
        self, model: ModelUpstream, api: ModelApi, format: Format, body: bytes, *, by_answer: bool
    ) -> UpstreamCall:
        from clawmatrix_model_proxy.serving.conversions import Conversion

        conversion = Conversion(model, api, format, body, self._now(), self._new_id)
        try:
            if format.name == "count_tokens":
                return conversion.count(by_answer=by_answer)
            return conversion.call()
        except Unsupported as error:
            raise unsent("cannot_convert", str(error), error.param) from None


def _import_for(client: str, codec: UpstreamCodec) -> None:
    """Import what converts between the API of a client and that of a codec."""
    from clawmatrix_model_proxy.serving import conversions  # noqa: F401 - imported for later

    client_codec(client)
    loaded(codec)
