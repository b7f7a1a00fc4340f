"""What registration hooks return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["JSON", "ControlMethod", "HttpRoute", "Offer", "StatusSection", "frame_types"]

F = TypeVar("F", bound="Callable[..., bool | None]")

JSON = Any
"""What ``json.dumps`` takes: the wire's type, checked where it comes in."""


@attrs.frozen
class HttpRoute:
    """A path of the local HTTP server.

    Attributes:
        path: as Starlette writes paths: ``/v1/models/{id:path}``.
        methods: the HTTP methods it answers.
        endpoint: called with the request once token, Host and Origin are checked.
        errors: the shape in which the server itself answers errors on this path.
        public: true where no token is wanted. Host and Origin are checked all the same.
    """

    path: str
    methods: tuple[str, ...]
    endpoint: Callable[[Request], Awaitable[Response]]
    errors: Literal["openai", "anthropic", "plain"] = "plain"
    public: bool = False


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


def frame_types(*types: str) -> Callable[[F], F]:
    """Mark a ``frame_received`` implementation as wanting only frames of these types."""

    def mark(function: F) -> F:
        function.clawmatrix_frame_types = frozenset(types)  # type: ignore[attr-defined]
        return function

    return mark
