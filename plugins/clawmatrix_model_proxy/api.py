"""What other plugins may import of ``model-proxy``: the contract of a model API.

A plugin that brings an API for upstreams returns ``ModelApi`` values from ``register_model_apis``;
the ``codec`` of one is an ``UpstreamCodec``. Requests come to it as a ``NeutralRequest``; answers
are a ``NeutralAnswer``, or the events of a stream. See the page on model APIs.
"""

from __future__ import annotations

from clawmatrix_core.kernel.contributions import ModelApi, ModelUpstream
from clawmatrix_model_proxy.convert.neutral.answer import (
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
from clawmatrix_model_proxy.convert.neutral.codec import (
    BadAnswer,
    ErrorWords,
    ListsModels,
    NewId,
    ReadsErrors,
    StreamReader,
    Unsupported,
    UpstreamCodec,
    UpstreamError,
)
from clawmatrix_model_proxy.convert.neutral.effort import effort_of
from clawmatrix_model_proxy.convert.neutral.request import (
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
from clawmatrix_model_proxy.convert.neutral.settings import write_settings
from clawmatrix_model_proxy.convert.neutral.whole import answer_of

__all__ = [
    "Audio",
    "BadAnswer",
    "Begin",
    "Block",
    "BlockKind",
    "Close",
    "Completed",
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
    "effort_of",
    "events_of",
    "write_settings",
]
