"""One model of the ``[model-proxy]`` table, and what is wrong with a model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import attrs

from clawmatrix_core import Duration, Secret, option
from clawmatrix_model_proxy.api import ModelUpstream

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["APIS", "ModelConfig", "check_model", "is_id", "is_positive"]


def is_id(_: object, __: object, value: str) -> None:
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


def is_positive(_: object, __: object, value: float) -> None:
    if value <= 0:
        raise ValueError("must be more than zero")


def _is_positive_or_none(_: object, __: object, value: float | None) -> None:
    if value is not None:
        is_positive(_, __, value)


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

    id: str = option(doc="The name that others ask for.", validator=is_id)
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
        validator=is_positive,
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
    ("id", str, is_id),
    ("base_url", str, _is_url),
    ("api", str, lambda *_: None),
    ("keys", tuple, _are_secrets),
    ("max_tokens", int, is_positive),
)
"""What a model that is no configuration's is looked at for, field by field."""
