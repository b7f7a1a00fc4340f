"""The values of the published contract: APIs and upstreams of plugins, requests, and failures.

Other plugins and hosts import them from ``clawmatrix_model_proxy.api``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from clawmatrix_core import ClawMatrixError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, Secret
    from clawmatrix_model_proxy.neutral.codec import UpstreamCodec

__all__ = ["ModelApi", "ModelError", "ModelRequest", "ModelUpstream"]


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
        system_anywhere: the chat upstream takes texts of the system's behind the user's first.
        strict: a request is refused where the upstream's API has no place for a hint in it, and
            where this node would have to do what the API does not.
        first_token_timeout: seconds in which a streamed answer has to begin while another candidate
            is left, None for what the node that asks has configured.
        idle_timeout: seconds that it may be silent in the middle of an answer, None for what is
            configured.
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
    system_anywhere: bool = False
    strict: bool = False
    first_token_timeout: float | None = None
    idle_timeout: float | None = None

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
