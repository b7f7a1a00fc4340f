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
from typing import TYPE_CHECKING

from clawmatrix_core import LocalProtocolError
from clawmatrix_model_proxy.refusals import anthropic_error, openai_error
from clawmatrix_model_proxy.values import ModelApi, ModelError, ModelRequest, ModelUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core import JSON, Node
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
        CountsTokens,
        HasRules,
        ListsModels,
        NewId,
        PagesModels,
        ReadsErrors,
        StreamReader,
        UpstreamCodec,
    )
    from clawmatrix_model_proxy.neutral.counts import count_of
    from clawmatrix_model_proxy.neutral.effort import effort_of
    from clawmatrix_model_proxy.neutral.failures import (
        BadAnswer,
        ErrorWords,
        Unsupported,
        UpstreamError,
    )
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
    from clawmatrix_model_proxy.neutral.rules import (
        ApiRules,
        Range,
        SchemaRules,
        StopRules,
        ThinkingRules,
        Words,
    )
    from clawmatrix_model_proxy.neutral.settings import write_settings
    from clawmatrix_model_proxy.neutral.whole import answer_of

__all__ = [
    "ApiRules",
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
    "HasRules",
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
    "Range",
    "ReadsErrors",
    "Reasoning",
    "Refusal",
    "ResponseFormat",
    "Role",
    "SchemaRules",
    "StopRules",
    "StreamReader",
    "Text",
    "ThinkingRules",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Turn",
    "Unsupported",
    "UpstreamCodec",
    "UpstreamError",
    "Usage",
    "Words",
    "answer_of",
    "anthropic_error",
    "ask_model",
    "count_of",
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
        "CountsTokens",
        "HasRules",
        "ListsModels",
        "NewId",
        "PagesModels",
        "ReadsErrors",
        "StreamReader",
        "UpstreamCodec",
    ),
    "neutral.counts": ("count_of",),
    "neutral.effort": ("effort_of",),
    "neutral.failures": ("BadAnswer", "ErrorWords", "Unsupported", "UpstreamError"),
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
    "neutral.rules": (
        "ApiRules",
        "Range",
        "SchemaRules",
        "StopRules",
        "ThinkingRules",
        "Words",
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
    for models that are a function of the host's own. It needs asyncio and the extra ``http``; a
    host on trio enters it by ``anyio.from_thread.start_blocking_portal()``.

    Raises: LocalProtocolError on entering, where asyncio does not run.

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
