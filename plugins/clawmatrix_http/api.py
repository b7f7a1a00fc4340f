"""What other plugins register with the local HTTP server.

Importing this module loads neither the plugin nor a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

__all__ = ["CLIENT_GONE", "HttpRoute"]

CLIENT_GONE = "clawmatrix.client_gone"
"""The ASGI extension by which an endpoint learns that nobody waits any more."""


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
