"""The ``[model-proxy]`` table of the configuration."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import attrs

from clawmatrix_core import ByteSize, Duration, NodeId, Secret, option
from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.budgets import Budgets
from clawmatrix_model_proxy.hold import parse_hold
from clawmatrix_model_proxy.kept_answers import ANSWERS
from clawmatrix_model_proxy.offer import OfferRoom
from clawmatrix_model_proxy.streams.sse import EVENT_LIMIT
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "TEMPLATE",
    "Balance",
    "Members",
    "ModelConfig",
    "ModelProxyConfig",
    "check_model",
]

TEMPLATE = """\
# Models that this node serves to the mesh.
# [[model-proxy.models]]
# id = "qwen3"
# base_url = "http://127.0.0.1:11434/v1"
# api = "openai-completions"
# api_key = "env:UPSTREAM_KEY"
"""
"""What ``clawmatrix init`` writes of the table."""

_MIB = 1024 * 1024

Balance = Literal["order", "least-outstanding", "first-token"]
"""How candidates of equal health are put in order."""

Members = Literal["all", "granted"]
"""Which other nodes may use the models where no plugin decides."""


def _is_id(_: object, __: object, value: str) -> None:
    if not 0 < len(value) <= 200 or not value.isprintable() or value != value.strip("/ "):
        raise ValueError("must be 1 to 200 printable characters, without a slash at either end")


def _is_url(_: object, __: object, value: str) -> None:
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or parts.query or parts.fragment:
        raise ValueError('must be a URL like "http://127.0.0.1:11434/v1"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user and password; use api_key")


def _is_header(_: object, __: object, value: Secret | None) -> None:
    if value is not None and not (value.reveal().isascii() and value.reveal().isprintable()):
        raise ValueError("must be printable ASCII")


def _are_headers(_: object, __: object, value: tuple[Secret, ...]) -> None:
    for key in value:
        _is_header(_, __, key)


def _is_positive(_: object, __: object, value: float) -> None:
    if value <= 0:
        raise ValueError("must be more than zero")


def _is_positive_or_none(_: object, __: object, value: float | None) -> None:
    if value is not None:
        _is_positive(_, __, value)


APIS = (
    "openai-completions",
    "openai-responses",
    "anthropic-messages",
    "google-generative-ai",
)
"""The APIs of upstreams that are built in, the last by the plugin ``gemini``."""


def _is_api(_: object, __: object, value: str) -> None:
    if value not in APIS and not (":" in value and value.isprintable()):
        known = ", ".join(f'"{api}"' for api in APIS)
        raise ValueError(f'"{value}" is not one of {known}; a plugin\'s is "PLUGIN:NAME"')


@attrs.frozen
class ModelConfig:
    """A model that this node serves from an upstream."""

    id: str = option(doc="The name that others ask for.", validator=_is_id)
    base_url: str = option(
        doc="Where the upstream's API is, up to and with /v1 (or Gemini's /v1beta).",
        validator=_is_url,
    )
    api: str = option(
        default="openai-completions",
        doc="The API that the upstream speaks: `openai-completions`, `openai-responses`,"
        " `anthropic-messages`, `google-generative-ai`, or a plugin's, `PLUGIN:NAME`.",
        validator=_is_api,
    )
    api_key: Secret | None = option(
        default=None,
        doc="What the upstream wants as a Bearer token, or in the header that its API has for it.",
        validator=_is_header,
    )
    api_keys: tuple[Secret, ...] = option(
        default=(),
        doc="More keys: the next one is taken where one is refused or has used up its rate.",
        validator=_are_headers,
    )
    upstream_model: str | None = option(
        default=None, shown="the id", doc="The name the upstream knows the model by."
    )
    description: str | None = option(default=None, doc="A line about it, shown in /v1/models.")

    max_tokens: int = option(
        default=8192,
        doc="The limit of an answer, where the upstream's API wants one and the request has none.",
        validator=_is_positive,
    )

    developer_role: bool = option(
        default=False,
        doc="Whether a chat upstream knows the role `developer`. Where a request is converted to"
        " its API, what has that role is sent as `system` otherwise: many servers ignore"
        " `developer`, or refuse it.",
    )
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = option(
        default="max_completion_tokens",
        doc="What a chat upstream calls the limit of an answer, where a request is converted to its"
        " API; servers that do not know the newer name ignore it.",
    )
    system_anywhere: bool = option(
        default=False,
        doc="Whether a chat upstream takes texts of the system's in the middle of a conversation."
        " Where a request is converted to its API, such a text is otherwise sent as the user's,"
        " marked as the developer's: many chat templates take one `system`, at the beginning.",
    )
    strict: bool = option(
        default=False,
        doc="Whether a request is refused, instead of converted without, where the upstream's API"
        " has no place for a hint such as `seed`, for `stop`, or for JSON without a schema.",
    )
    first_token_timeout: Duration | None = option(
        default=None,
        shown="that of the node that asks",
        doc="How long a streamed answer of this model may take to begin while another candidate is"
        " left; at most `first_byte_timeout`.",
        validator=_is_positive_or_none,
    )
    idle_timeout: Duration | None = option(
        default=None,
        shown="`model-proxy.idle_timeout`",
        doc="How long this model's upstream may be silent in the middle of an answer.",
        validator=_is_positive_or_none,
    )

    @property
    def upstream(self) -> ModelUpstream:
        """The model as plugins give theirs."""
        keys = () if self.api_key is None else (self.api_key,)
        return ModelUpstream(
            self.id,
            self.base_url,
            self.api,
            (*keys, *self.api_keys),
            self.upstream_model,
            self.description,
            self.max_tokens,
            self.developer_role,
            self.max_tokens_field,
            system_anywhere=self.system_anywhere,
            strict=self.strict,
            first_token_timeout=self.first_token_timeout,
            idle_timeout=self.idle_timeout,
        )


def check_model(model: ModelUpstream) -> None:
    """Raises: ValueError, unless a plugin's model could stand in the configuration.

    It names the field. TypeError, where a field is of another type than it has to be.
    """
    for name, kind, check in _CHECKS:
        value = getattr(model, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{name}: expected {kind.__name__}, not {type(value).__name__}")
        try:
            check(None, None, value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    for name in ("first_token_timeout", "idle_timeout"):
        value = getattr(model, name)
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise ValueError(f"{name}: must be a number of seconds, more than zero")


def _are_secrets(_: object, __: object, value: tuple[Secret, ...]) -> None:
    for key in value:
        if not isinstance(key, Secret):
            raise TypeError(f"keys: expected a Secret, not {type(key).__name__}")
        _is_header(_, __, key)


_CHECKS: tuple[tuple[str, type, Callable[[object, object, Any], None]], ...] = (
    ("id", str, _is_id),
    ("base_url", str, _is_url),
    ("api", str, lambda *_: None),
    ("keys", tuple, _are_secrets),
    ("max_tokens", int, _is_positive),
)
"""What a model that is no configuration's is looked at for, field by field."""


def _are_parts(_: object, __: object, value: tuple[str, ...]) -> None:
    for part in value:
        if "/" in part:
            raise ValueError(f'"{part}" has a slash: write what stands before it')
        _is_id(_, __, part)


def _are_few(_: object, __: object, value: tuple[ModelConfig, ...]) -> None:
    room = OfferRoom()
    counts: Counter[str] = Counter()
    for model in value:
        counts[model.id] += 1
        if counts[model.id] > UPSTREAM_LIMIT:
            raise ValueError(f'the id "{model.id}" is there more than {UPSTREAM_LIMIT} times')
        room.take(model.upstream)


def _is_hold(_: object, __: object, value: str) -> None:
    parse_hold(value)


@attrs.frozen
class ModelProxyConfig:
    """Which models this node serves, and which nodes it asks."""

    nodes: tuple[NodeId, ...] | None = option(
        default=None,
        shown="this node, then by when each first proved itself",
        doc="The order in which nodes are asked, and the only ones that get prompts.",
        reload=True,
    )
    publishers: tuple[str, ...] = option(
        default=(),
        doc="First parts of model ids, such as `meta-llama`, that name no node, whatever a member"
        " calls itself.",
        validator=_are_parts,
        reload=True,
    )
    models: tuple[ModelConfig, ...] = option(
        default=(),
        doc="The models this node serves. One id given several times has several upstreams,"
        " asked in this order.",
        validator=_are_few,
        reload=True,
    )
    members: Members = option(
        default="all",
        doc="Which other nodes may use the models where no plugin says yes or no: `all`, or only"
        " those to whom a plugin grants it (`granted`). This node's own programs may, either way.",
        reload=True,
    )
    connect_timeout: Duration = option(
        default=Duration(5),
        doc="How long an upstream may take to accept a connection.",
        validator=_is_positive,
        reload=True,
    )
    first_byte_timeout: Duration = option(
        default=Duration(120),
        doc="How long an upstream may take to begin its answer, and to go on with it behind a sign"
        " that the model works.",
        validator=_is_positive,
        reload=True,
    )
    first_token_timeout: Duration = option(
        default=Duration(12),
        doc="How long a streamed answer may take to begin while another candidate is left.",
        validator=_is_positive,
        reload=True,
    )
    whole_answer_timeout: Duration = option(
        default=Duration(60),
        doc="How long an answer without a stream may take while another candidate is left.",
        validator=_is_positive,
        reload=True,
    )
    total_timeout: Duration = option(
        default=Duration(600),
        doc="How long a request may take, with all that is tried for it.",
        validator=_is_positive,
        reload=True,
    )
    keep_alive: Duration = option(
        default=Duration(10),
        doc="After how long a silence a client that streams gets a comment.",
        validator=_is_positive,
        reload=True,
    )
    breaker_rest: Duration = option(
        default=Duration(5),
        doc="How long a candidate that failed a few times is left alone at first.",
        validator=_is_positive,
        reload=True,
    )
    breaker_rest_most: Duration = option(
        default=Duration(20),
        doc="How long it is left alone at most, after each look at it doubled the time.",
        validator=_is_positive,
        reload=True,
    )
    balance: Balance = option(
        default="order",
        doc="How candidates of equal health are put in order: as configured, the least busy"
        " first, or the one whose answers begin soonest.",
        reload=True,
    )
    hold: str = option(
        default="off",
        doc="How much of a streamed answer is kept back, so that one that is cut off can be"
        " replaced: `off`, `whole`, `5s`, `200 tokens`. The header `x-clawmatrix-hold` goes"
        " before it.",
        validator=_is_hold,
        reload=True,
    )
    idle_timeout: Duration = option(
        default=Duration(30),
        doc="How long an upstream may be silent in the middle of an answer.",
        validator=_is_positive,
        reload=True,
    )
    max_request: ByteSize = option(
        default=ByteSize(32 * _MIB),
        doc="The largest request taken from another node.",
        reload=True,
    )
    max_requests: ByteSize = option(
        default=ByteSize(256 * _MIB),
        doc="What the requests of all other nodes may have together, at least twice `max_request`;"
        " half of it for each node. Beyond it one that has brought nothing for long is given up.",
        reload=True,
    )
    max_answer: ByteSize = option(
        default=ByteSize(64 * _MIB),
        doc="The largest answer kept back until it is whole.",
        reload=True,
    )
    max_event: ByteSize = option(
        default=ByteSize(EVENT_LIMIT),
        doc="The largest event of a stream: a picture, or an answer that is repeated at its end.",
        validator=_is_positive,
        reload=True,
    )
    max_answers: ByteSize = option(
        default=ByteSize(ANSWERS),
        doc="What all answers that are kept back may have together, at least twice `max_answer`;"
        " half of it for each node or model that they come from.",
        reload=True,
    )
    proxy_from_env: bool = option(
        default=False, doc="Whether HTTP_PROXY and its kin apply to upstreams."
    )

    @property
    def budgets(self) -> Budgets:
        """The time limits, together."""
        return Budgets(self.connect_timeout, self.first_byte_timeout, self.idle_timeout)
