"""The APIs that upstreams speak, and how a request is put to each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from clawmatrix_core import StartError
from clawmatrix_model_proxy.api import ModelApi
from clawmatrix_model_proxy.convert import token_count
from clawmatrix_model_proxy.convert.bridge import Bridge
from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.serving.upstream_call import (
    ConvertedCall,
    CountingCall,
    PassthroughCall,
    UpstreamCall,
    cannot_convert,
    unsent,
)
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.workers import PASSED_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.neutral.codec import Codec
    from clawmatrix_model_proxy.streams.formats import Format
    from clawmatrix_model_proxy.wire import Opening

__all__ = ["BUILT_IN", "Apis", "name_there"]

BUILT_IN = (
    ModelApi(
        "openai-completions",
        {"chat": "chat/completions", "embeddings": "embeddings"},
        chat.CODEC,
    ),
    ModelApi(
        "openai-responses", {"responses": "responses", "embeddings": "embeddings"}, responses.CODEC
    ),
    ModelApi(
        "anthropic-messages",
        {"messages": "messages", "count_tokens": "messages/count_tokens"},
        messages.CODEC,
        key_header=("x-api-key", ""),
        headers={"anthropic-version": "2023-06-01"},
    ),
)
CLIENTS: dict[str, Codec] = {
    codec.name: codec for codec in (chat.CODEC, responses.CODEC, messages.CODEC)
}


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
        return None if path is None else self._path(model, path)

    def weight(self, model: ModelUpstream, opening: Opening, size: int) -> int:
        """Return the bytes of a request as far as there is work in them: see ``workers``."""
        passes = opening.format in self._apis[model.api].paths
        return size // PASSED_ON if passes else size

    def count_path(self, model: ModelUpstream) -> str | None:
        """Return where a model's API has tokens counted without an answer, None for nowhere."""
        api = self._apis[model.api]
        if (path := api.paths.get("count_tokens")) is not None or api.codec is None:
            return path
        return token_count.count_method(api.codec).path

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
                self._path(model, api.paths[format.name]),
                body,
                model,
                streams=opening.stream and format.streams,
            )
        try:
            if format is not None and format.name == "count_tokens":
                return self._counted(model, api, format, body, by_answer=by_answer)
            if format is not None and format.name in CLIENTS and api.codec is not None:
                return self._converted(model, api, format, body)
        except Unsupported as error:
            raise cannot_convert(error) from None
        message = f"the upstream of {model.id!r} speaks {model.api}, not {opening.format!r}"
        raise unsent("cannot_convert", message)

    def _converted(
        self, model: ModelUpstream, api: ModelApi, format: Format, body: bytes
    ) -> ConvertedCall:
        bridge = self._bridge(model, api, format.name, body)
        path = next(iter(api.paths.values()))
        if bridge.request.stream and api.stream_path is not None:
            path = api.stream_path
        sent = bridge.written(model)
        return ConvertedCall(format, self._path(model, path), sent, bridge)

    def _counted(
        self,
        model: ModelUpstream,
        api: ModelApi,
        format: Format,
        body: bytes,
        *,
        by_answer: bool,
    ) -> CountingCall:
        bridge = self._bridge(model, api, "messages", body)
        method = token_count.count_method(bridge.upstream, by_answer=by_answer)
        sent = method.write(bridge, model)
        path = method.path or next(iter(api.paths.values()))
        return CountingCall(format, self._path(model, path), sent, bridge, method.read)

    def _bridge(self, model: ModelUpstream, api: ModelApi, client: str, body: bytes) -> Bridge:
        assert api.codec is not None
        bridge = Bridge.read(
            CLIENTS[client],
            api.codec,
            body,
            model=model.name_there,
            now=self._now(),
            new_id=self._new_id,
            names_model="{model}" not in next(iter(api.paths.values())),
        )
        return bridge.fitted_to(model)

    def _path(self, model: ModelUpstream, path: str) -> str:
        named = quote(name_there(model, path), safe="/:@") if "{model}" in path else ""
        return path.replace("{model}", named)


def name_there(model: ModelUpstream, path: str) -> str:
    """Return the upstream's name of a model, as it fits into a path.

    What stands before ``{model}`` in the path is not repeated: Google writes its names with
    ``models/`` in front.
    """
    before, found, _ = path.partition("{model}")
    return model.name_there.removeprefix(before) if found else model.name_there
