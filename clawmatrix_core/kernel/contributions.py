"""What registration hooks return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

import attrs

from clawmatrix_core.base.json_value import JSON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from clawmatrix_core.config.types import Secret

__all__ = [
    "CLIENT_GONE",
    "JSON",
    "Check",
    "ControlMethod",
    "Finding",
    "HttpRoute",
    "ModelApi",
    "ModelUpstream",
    "Offer",
    "StatusSection",
    "frame_types",
]

F = TypeVar("F", bound="Callable[..., bool | None]")


CLIENT_GONE = "clawmatrix.client_gone"
"""The ASGI extension by which an endpoint learns that nobody waits any more."""


@attrs.frozen
class Finding:
    """What a check found, as ``clawmatrix doctor`` shows it.

    Attributes:
        name: what was looked at: ``mesh.peer``.
        status: whether it is as it should be; ``skipped`` where that could not be looked at.
        detail: what was found, in words.
        advice: what to do about it, in words.
    """

    name: str
    status: Literal["ok", "warning", "problem", "skipped"]
    detail: str
    advice: str | None = None


@attrs.frozen
class Check:
    """Something that ``clawmatrix doctor`` looks at: ``run`` returns what it found.

    It may take 20 seconds, and changes nothing. One that raises is shown as a problem.
    """

    name: str
    run: Callable[[], Awaitable[Sequence[Finding]]]


@attrs.frozen
class HttpRoute:
    """A path of the local HTTP server.

    Attributes:
        path: as Starlette writes paths: ``/v1/models/{id:path}``.
        methods: the HTTP methods it answers.
        endpoint: called with the request once token, Host and Origin are checked; returns the
            response.
        errors: the shape in which the server itself answers errors on this path.
        public: true where no token is wanted. Host and Origin are checked all the same.
        app: an ASGI application in the place of ``endpoint``: it reads the request and sends the
            answer itself.

    ``scope["extensions"][CLIENT_GONE]["call"]`` of a request is a function: what it is given is
    called once, if the client goes before it has its whole answer.
    """

    path: str
    methods: tuple[str, ...]
    endpoint: Callable[[Request], Awaitable[Response]] | None = None
    errors: Literal["openai", "anthropic", "plain"] = "plain"
    public: bool = False
    app: ASGIApp | None = None

    def __attrs_post_init__(self) -> None:
        if (self.endpoint is None) == (self.app is None):
            raise TypeError(f"the route {self.path} needs an endpoint or an app, and not both")


@attrs.frozen
class ControlMethod:
    """A method of the local control socket.

    ``call`` takes the parameters as JSON and returns JSON; ``stream``, in its place,
    yields JSON values until it ends or the client goes.
    """

    name: str
    call: Callable[[dict[str, JSON]], Awaitable[JSON]] | None = None
    stream: Callable[[dict[str, JSON]], AsyncIterator[JSON]] | None = None


@attrs.frozen
class StatusSection:
    """A part of ``status --json``: ``read`` returns the JSON shown under ``name``."""

    name: str
    read: Callable[[], JSON]


@attrs.frozen
class Offer:
    """A list in this node's record: ``read`` returns what stands under ``kind``.

    Kinds in use: ``models``, ``agents``. Entries are objects with at least an ``id``.
    """

    kind: str
    read: Callable[[], list[dict[str, JSON]]]


@attrs.frozen
class ModelApi:
    """An API that upstreams of models speak.

    Attributes:
        name: the word for it in configurations; a third party's has its plugin's name in front,
            ``plugin:word``.
        paths: the formats that such an upstream takes as they are, each with the path behind the
            base URL that takes it. The first is the codec's own. ``{model}`` in a path stands for
            the upstream's name of the model.
        codec: reads and writes that first format, so that requests in others can be converted: a
            ``Codec``, see the page on models; None where nothing is.
        key_header: the header that carries the key, and what stands before the key in it.
        headers: what is sent with each request.
        stream_path: the path for requests that want a stream, where that is another one.
    """

    name: str
    paths: Mapping[str, str]
    codec: object = None
    key_header: tuple[str, str] = ("authorization", "Bearer ")
    headers: Mapping[str, str] = attrs.field(factory=dict)
    stream_path: str | None = None


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


def frame_types(*types: str) -> Callable[[F], F]:
    """Mark a ``frame_received`` implementation as wanting only frames of these types."""

    def mark(function: F) -> F:
        function.clawmatrix_frame_types = frozenset(types)  # type: ignore[attr-defined]
        return function

    return mark
