"""The ``[model-proxy]`` table of the configuration."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import attrs
import msgspec

from clawmatrix_core import ByteSize, Duration, NodeId, option
from clawmatrix_model_proxy.hold import parse_hold
from clawmatrix_model_proxy.kept_answers import ANSWERS
from clawmatrix_model_proxy.model_config import ModelConfig, is_id, is_positive
from clawmatrix_model_proxy.offer import OfferRoom
from clawmatrix_model_proxy.recalled import LIFETIME, RECALLED
from clawmatrix_model_proxy.streams.sse import EVENT_LIMIT
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelUpstream

__all__ = [
    "TEMPLATE",
    "Balance",
    "Budgets",
    "Members",
    "ModelProxyConfig",
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


class Budgets(msgspec.Struct, frozen=True):
    """How long an upstream may take, in seconds.

    Attributes:
        connect: to accept a connection.
        first_byte: from the request to the first byte of the answer's body.
        idle: between two pieces of the body, or two events of a stream.
    """

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 30.0

    def of(self, model: ModelUpstream) -> Budgets:
        """Return those of a model, which may have a limit of its own."""
        own = model.idle_timeout
        return self if own is None else msgspec.structs.replace(self, idle=own)


def _are_parts(_: object, __: object, value: tuple[str, ...]) -> None:
    for part in value:
        if "/" in part:
            raise ValueError(f'"{part}" has a slash: write what stands before it')
        is_id(_, __, part)


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
        validator=is_positive,
        reload=True,
    )
    first_byte_timeout: Duration = option(
        default=Duration(120),
        doc="How long an upstream may take to begin its answer, and to go on with it behind a sign"
        " that the model works.",
        validator=is_positive,
        reload=True,
    )
    first_token_timeout: Duration = option(
        default=Duration(12),
        doc="How long a streamed answer may take to begin while another candidate is left.",
        validator=is_positive,
        reload=True,
    )
    whole_answer_timeout: Duration = option(
        default=Duration(60),
        doc="How long an answer without a stream may take while another candidate is left.",
        validator=is_positive,
        reload=True,
    )
    total_timeout: Duration = option(
        default=Duration(600),
        doc="How long a request may take, with all that is tried for it.",
        validator=is_positive,
        reload=True,
    )
    keep_alive: Duration = option(
        default=Duration(10),
        doc="After how long a silence a client that streams gets a comment.",
        validator=is_positive,
        reload=True,
    )
    breaker_rest: Duration = option(
        default=Duration(5),
        doc="How long a candidate that failed a few times is left alone at first.",
        validator=is_positive,
        reload=True,
    )
    breaker_rest_most: Duration = option(
        default=Duration(20),
        doc="How long it is left alone at most, after each look at it doubled the time.",
        validator=is_positive,
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
        validator=is_positive,
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
        validator=is_positive,
        reload=True,
    )
    max_answers: ByteSize = option(
        default=ByteSize(ANSWERS),
        doc="What all answers that are kept back may have together, at least twice `max_answer`;"
        " half of it for each node or model that they come from.",
        reload=True,
    )
    remember: ByteSize = option(
        default=ByteSize(RECALLED),
        doc="How much is remembered, in memory only, of answers in the Responses API that were"
        " converted, so that `previous_response_id` and `item_reference` lead to them; 0 is"
        " nothing. `store = false` of a request is obeyed.",
        reload=True,
    )
    remember_for: Duration = option(
        default=Duration(LIFETIME),
        doc="How long that is remembered since it was last gone on from.",
        validator=is_positive,
        reload=True,
    )
    proxy_from_env: bool = option(
        default=False, doc="Whether HTTP_PROXY and its kin apply to upstreams."
    )

    @property
    def budgets(self) -> Budgets:
        """The time limits, together."""
        return Budgets(self.connect_timeout, self.first_byte_timeout, self.idle_timeout)
