"""The ``[model-proxy]`` table of the configuration."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import attrs

from clawmatrix_core.config import ByteSize, Duration, Secret, option
from clawmatrix_core.frames import NodeId  # noqa: TC001 - the converter reads it

__all__ = ["Budgets", "ModelConfig", "ModelProxyConfig"]

_MIB = 1024 * 1024


@attrs.frozen
class Budgets:
    """How long an upstream may take, in seconds.

    Attributes:
        connect: to accept a connection.
        first_byte: from the request to the first byte of the answer's body.
        idle: between two pieces of the body.
    """

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 30.0


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


def _is_positive(_: object, __: object, value: Duration) -> None:
    if value <= 0:
        raise ValueError("must be more than zero")


@attrs.frozen
class ModelConfig:
    """A model that this node serves from an upstream."""

    id: str = option(doc="The name that others ask for.", validator=_is_id)
    base_url: str = option(
        doc="Where the upstream's API is, up to and with /v1.", validator=_is_url
    )
    api: Literal["openai-completions"] = option(
        default="openai-completions", doc="The API that the upstream speaks."
    )
    api_key: Secret | None = option(
        default=None, doc="What the upstream wants as a Bearer token.", validator=_is_header
    )
    upstream_model: str | None = option(
        default=None, shown="the id", doc="The name the upstream knows the model by."
    )
    description: str | None = option(default=None, doc="A line about it, shown in /v1/models.")

    @property
    def name_there(self) -> str:
        """The name the upstream knows the model by."""
        return self.upstream_model or self.id


def _are_different(_: object, __: object, value: tuple[ModelConfig, ...]) -> None:
    ids = [model.id for model in value]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise ValueError(f'the id "{id_}" is there more than once')


@attrs.frozen
class ModelProxyConfig:
    """Which models this node serves, and which nodes it asks."""

    nodes: tuple[NodeId, ...] | None = option(
        default=None,
        shown="all that serve the model",
        doc="The order in which nodes are asked, and the only ones that get prompts.",
    )
    models: tuple[ModelConfig, ...] = option(
        default=(), doc="The models this node serves.", validator=_are_different
    )
    connect_timeout: Duration = option(
        default=Duration(5),
        doc="How long an upstream may take to accept a connection.",
        validator=_is_positive,
    )
    first_byte_timeout: Duration = option(
        default=Duration(120),
        doc="How long an upstream may take to begin its answer.",
        validator=_is_positive,
    )
    idle_timeout: Duration = option(
        default=Duration(30),
        doc="How long an upstream may be silent in the middle of an answer.",
        validator=_is_positive,
    )
    max_request: ByteSize = option(
        default=ByteSize(32 * _MIB), doc="The largest request taken from another node."
    )
    max_answer: ByteSize = option(
        default=ByteSize(64 * _MIB), doc="The largest answer kept back until it is whole."
    )
    proxy_from_env: bool = option(
        default=False, doc="Whether HTTP_PROXY and its kin apply to upstreams."
    )

    @property
    def budgets(self) -> Budgets:
        """The time limits, together."""
        return Budgets(self.connect_timeout, self.first_byte_timeout, self.idle_timeout)
