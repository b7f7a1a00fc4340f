"""What other plugins register with the model proxy, and how a host asks for models and serves them.

A plugin that brings an API for upstreams returns ``ModelApi`` values from ``register_model_apis``;
the ``codec`` of one is an ``UpstreamCodec``. Requests come to it as a ``NeutralRequest``; answers
are a ``NeutralAnswer``, or the events of a stream. See the page on model APIs. ``openai_error``
and ``anthropic_error`` are for ``HttpRoute.errors`` of routes beside the model proxy's own.

Importing this module loads neither the plugin nor anything that serves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import attrs

from clawmatrix_core import ClawMatrixError, LocalProtocolError
from clawmatrix_model_proxy.refusals import anthropic_error, openai_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core import JSON, Node, Secret
    from clawmatrix_model_proxy.neutral.answer import (
        Begin,
        Block,
        BlockKind,
        Close,
        Completed,
        Delta,
        Event,
        Failed,
        Finish,
        FinishReason,
        NeutralAnswer,
        Open,
        Usage,
        events_of,
    )
    from clawmatrix_model_proxy.neutral.codec import (
        BadAnswer,
        CountsTokens,
        ErrorWords,
        ListsModels,
        NewId,
        PagesModels,
        ReadsErrors,
        StreamReader,
        Unsupported,
        UpstreamCodec,
        UpstreamError,
    )
    from clawmatrix_model_proxy.neutral.effort import effort_of
    from clawmatrix_model_proxy.neutral.request import (
        Audio,
        File,
        Image,
        NeutralRequest,
        Part,
        Reasoning,
        Refusal,
        ResponseFormat,
        Role,
        Text,
        Tool,
        ToolCall,
        ToolChoice,
        ToolResult,
        Turn,
    )
    from clawmatrix_model_proxy.neutral.settings import write_settings
    from clawmatrix_model_proxy.neutral.whole import answer_of

__all__ = [
    "Audio",
    "BadAnswer",
    "Begin",
    "Block",
    "BlockKind",
    "Close",
    "Completed",
    "CountsTokens",
    "Delta",
    "ErrorWords",
    "Event",
    "Failed",
    "File",
    "Finish",
    "FinishReason",
    "Image",
    "ListsModels",
    "ModelApi",
    "ModelError",
    "ModelProxy",
    "ModelRequest",
    "ModelUpstream",
    "NeutralAnswer",
    "NeutralRequest",
    "NewId",
    "Open",
    "PagesModels",
    "Part",
    "ReadsErrors",
    "Reasoning",
    "Refusal",
    "ResponseFormat",
    "Role",
    "StreamReader",
    "Text",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Turn",
    "Unsupported",
    "UpstreamCodec",
    "UpstreamError",
    "Usage",
    "answer_of",
    "anthropic_error",
    "ask_model",
    "effort_of",
    "events_of",
    "local_upstream",
    "models_changed",
    "openai_error",
    "serve_models",
    "stream_model",
    "wait_for_model",
    "write_settings",
]

# A node that serves no models needs none of these: each is imported when it is first used.
_HOMES = {
    "neutral.answer": (
        "Begin",
        "Block",
        "BlockKind",
        "Close",
        "Completed",
        "Delta",
        "Event",
        "Failed",
        "Finish",
        "FinishReason",
        "NeutralAnswer",
        "Open",
        "Usage",
        "events_of",
    ),
    "neutral.codec": (
        "BadAnswer",
        "CountsTokens",
        "ErrorWords",
        "ListsModels",
        "NewId",
        "PagesModels",
        "ReadsErrors",
        "StreamReader",
        "Unsupported",
        "UpstreamCodec",
        "UpstreamError",
    ),
    "neutral.effort": ("effort_of",),
    "neutral.request": (
        "Audio",
        "File",
        "Image",
        "NeutralRequest",
        "Part",
        "Reasoning",
        "Refusal",
        "ResponseFormat",
        "Role",
        "Text",
        "Tool",
        "ToolCall",
        "ToolChoice",
        "ToolResult",
        "Turn",
    ),
    "neutral.settings": ("write_settings",),
    "neutral.whole": ("answer_of",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__package__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


@attrs.frozen
class ModelApi:
    """An API that upstreams of models speak.

    Attributes:
        name: the word for it in configurations; a third party's has its plugin's name in front,
            ``plugin:word``.
        paths: the formats that such an upstream takes as they are, each with the path behind the
            base URL that takes it, and a query where there is one. The first is the codec's own.
            ``{model}`` in a path stands for the upstream's name of the model; a request to that
            first path names the model in its body only where it is not in the path.
        codec: writes and reads that first format, so that requests of the clients' APIs can be
            converted; None where nothing is.
        key_header: the header that carries the key, and what stands before the key in it.
        headers: what is sent with each request.
        stream_path: the path for requests that want a stream, where that is another one.
        list_path: the path that lists the upstream's models, for ``clawmatrix doctor``.
    """

    name: str
    paths: Mapping[str, str]
    codec: UpstreamCodec | None = None
    key_header: tuple[str, str] = ("authorization", "Bearer ")
    headers: Mapping[str, str] = attrs.field(factory=dict)
    stream_path: str | None = None
    list_path: str = "models"


@attrs.frozen
class ModelUpstream:
    """A server that answers for a model which this node serves.

    Attributes:
        id: the name that others ask for.
        base_url: where the upstream's API is, up to and with ``/v1``.
        api: the API that it speaks, the name of a ``ModelApi``.
        keys: what it takes as a key, in the order in which they are tried.
        upstream_model: its own name for the model, None where that is ``id``.
        description: a line about the model, for people.
        max_tokens: the limit of an answer where the API wants one and the request has none.
        developer_role: the chat upstream knows the role ``developer``; others ignore it or refuse.
        max_tokens_field: what the chat upstream calls the limit of an answer.
    """

    id: str
    base_url: str
    api: str = "openai-completions"
    keys: tuple[Secret, ...] = ()
    upstream_model: str | None = None
    description: str | None = None
    max_tokens: int = 8192
    developer_role: bool = False
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"

    @property
    def name_there(self) -> str:
        """The name the upstream knows the model by."""
        return self.upstream_model or self.id


class ModelError(ClawMatrixError):
    """A model gave no answer, or its answer broke off.

    Attributes:
        status: the HTTP status that a client of the HTTP server would get; also where the answer
            broke off in the middle.
        code: the error's word, such as ``model_not_found`` or ``node_lost``, None without one.
        message: what a person is told.
        wait: seconds for which the upstream wants to be left alone, None where it says nothing.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, wait: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.wait = wait


@attrs.frozen
class ModelRequest:
    """A request of a program in the node's own process.

    Attributes:
        model: the id of a model, or ``node/id``.
        body: the request in the form of ``api``; its ``model`` and ``stream`` are set here.
        api: the API that it is written in: ``chat``, ``responses``, ``messages``,
            ``count_tokens`` or ``embeddings``.
        hold: how much of an answer is kept back, as in the header ``x-clawmatrix-hold``;
            None for what is configured.
        headers: those of the API, such as ``anthropic-beta``.
    """

    model: str
    body: Mapping[str, JSON]
    api: str = "chat"
    hold: str | None = None
    headers: Mapping[str, str] = attrs.field(factory=dict)


class ModelProxy(ABC):
    """What the object of a plugin is that asks for models and serves them; see the functions."""

    @abstractmethod
    async def ask(self, node: Node, request: ModelRequest) -> dict[str, JSON]:
        """See ``ask_model``."""

    @abstractmethod
    def stream(
        self, node: Node, request: ModelRequest
    ) -> AbstractAsyncContextManager[AsyncIterator[dict[str, JSON]]]:
        """See ``stream_model``."""

    @abstractmethod
    async def wait_for(self, node: Node, model: str) -> None:
        """See ``wait_for_model``."""

    @abstractmethod
    async def serve(self, node: Node, models: Iterable[ModelUpstream]) -> None:
        """See ``serve_models``."""

    @abstractmethod
    async def collect_again(self, node: Node) -> None:
        """See ``models_changed``."""


async def ask_model(
    node: Node,
    model: str,
    body: Mapping[str, JSON],
    *,
    api: str = "chat",
    hold: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, JSON]:
    """Ask any model of the mesh, and return the whole answer as JSON.

    The request takes the way of one that came over HTTP: the same nodes are tried, as often and
    with the same time limits. Cancel the call, and the work at the upstream ends.

    Args:
        node: a node that runs, with the ``model-proxy`` plugin.
        model, body, api, hold, headers: see ModelRequest.

    Raises: ModelError, where there is no answer. LocalProtocolError, where the node has no
        such plugin, or the API is unknown. TypeError, where the body is no JSON.
    """
    return await _proxy_of(node).ask(node, ModelRequest(model, body, api, hold, headers or {}))


def stream_model(
    node: Node,
    model: str,
    body: Mapping[str, JSON],
    *,
    api: str = "chat",
    hold: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AbstractAsyncContextManager[AsyncIterator[dict[str, JSON]]]:
    """Ask any model of the mesh for a stream: ``async with`` yields an iterator over its events.

    Each event is the JSON of its data. The iterator ends only where the answer is whole: an error
    in the stream, or a stream that is cut, is raised after the events before it. Leave the block,
    from whichever task, and the work at the upstream ends. The upstream waits while nobody takes
    events.

    Args and Raises: as of ``ask_model``. What can be told without asking a node is raised on
        entering, the rest by the iterator.
    """
    return _proxy_of(node).stream(node, ModelRequest(model, body, api, hold, headers or {}))


async def wait_for_model(node: Node, model: str) -> None:
    """Return once a node that serves the model is known and can be reached, at once where one is.

    A name that nobody ever serves is waited for without an end: give a limit, as in
    ``with anyio.move_on_after(60)``. ``model`` is as in ModelRequest. Raises: ModelError
    ``stopping``, where the node stops; LocalProtocolError, as ``ask_model``.
    """
    await _proxy_of(node).wait_for(node, model)


async def serve_models(node: Node, models: Iterable[ModelUpstream]) -> None:
    """Serve these models, beside those of the configuration and of plugins.

    They replace the models of the call before. The other nodes learn of it at once; requests under
    way go on with the upstream that they began with.

    Raises: ValueError, which names what is wrong with a model; TypeError, where one is no
        ModelUpstream, or has a field of another type; StartError, where an upstream
        speaks an API that no plugin has. Nothing is changed then. LocalProtocolError, where the
        node does not run with the ``model-proxy`` plugin.
    """
    await _proxy_of(node).serve(node, models)


async def models_changed(node: Node) -> None:
    """Say that a plugin's ``register_model_upstreams`` returns other models now.

    The hook is called again for all plugins. For what follows, and for errors, see
    ``serve_models``.
    """
    await _proxy_of(node).collect_again(node)


def local_upstream(
    answer: str | Callable[[dict[str, JSON]], str | Awaitable[str]] | None = None,
    *,
    delay: float = 0.0,
    api_key: str | None = None,
) -> AbstractAsyncContextManager[str]:
    """Run a small upstream in this process: ``async with local_upstream("hello") as base_url``.

    It speaks the chat completions API on a free port of loopback, and is for tests of hosts, and
    for models that are a function of the host's own. It needs asyncio and the extra ``http``.

    Args:
        answer: what it says: a text, or a function, plain or ``async``, that takes the request's
            JSON and returns the text. Without one it computes, and counts when it is asked to
            "count to 5".
        delay: seconds between two words.
        api_key: what requests must have as a Bearer token, where they must.
    """
    from clawmatrix_model_proxy.demo.embedded import serve_at

    return serve_at(answer, delay=delay, api_key=api_key)


def _proxy_of(node: Node) -> ModelProxy:
    # mypy wants a class that can be made; this one is only compared with.
    proxy = node.plugins.find(ModelProxy)  # type: ignore[type-abstract]
    if proxy is not None:
        return proxy
    if node.epoch == 0:
        raise LocalProtocolError(
            f"{node.id} does not run yet: call this inside `async with`, or in start_plugin or"
            " node_started of a plugin"
        )
    info = node.plugins.get("model-proxy")
    why = f": it is {info.state}, {info.reason}" if info is not None else ""
    raise LocalProtocolError(f"{node.id} runs no model-proxy plugin{why}")
