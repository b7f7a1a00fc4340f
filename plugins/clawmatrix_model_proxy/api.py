"""What other plugins register with the model proxy: APIs of upstreams, and models.

A plugin that brings an API for upstreams returns ``ModelApi`` values from ``register_model_apis``;
the ``codec`` of one is an ``UpstreamCodec``. Requests come to it as a ``NeutralRequest``; answers
are a ``NeutralAnswer``, or the events of a stream. See the page on model APIs. ``openai_error``
and ``anthropic_error`` are for ``HttpRoute.errors`` of routes beside the model proxy's own.

Importing this module loads neither the plugin nor anything that serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

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
from clawmatrix_model_proxy.refusals import anthropic_error, openai_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.config.types import Secret

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
    "ModelUpstream",
    "NeutralAnswer",
    "NeutralRequest",
    "NewId",
    "Open",
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
    "effort_of",
    "events_of",
    "openai_error",
    "write_settings",
]


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
