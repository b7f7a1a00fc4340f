"""What other plugins register with the local HTTP server, and how a host finds the server.

Importing this module loads neither the plugin nor a server.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from clawmatrix_core import JSON, Node

__all__ = [
    "CLIENT_GONE",
    "WHOLE_ANSWER",
    "ErrorShape",
    "HttpAccess",
    "HttpRefusal",
    "HttpRoute",
    "ServesHttp",
    "http_access",
]

CLIENT_GONE = "clawmatrix.client_gone"
"""The ASGI extension by which an endpoint learns that nobody waits any more."""
WHOLE_ANSWER = "clawmatrix.whole_answer"
"""The ASGI extension of answers in one message, and the type of that message.

It has ``status``, ``headers`` and ``body``, all of them, and costs much less than two messages.
Its headers are without a ``content-length``: the server adds it.
"""

_METHOD = re.compile(r"[A-Za-z]+(-[A-Za-z]+)*")


@attrs.frozen
class HttpRefusal:
    """An error that the server itself answers with.

    Attributes:
        status: the status of HTTP: 400, 401, 403, 404, 405, 413, 415, 500 or 503.
        code: a stable word for programs.
        message: what is wrong, in words.
        headers: what goes out beside the usual headers.
    """

    status: int
    code: str
    message: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


ErrorShape: TypeAlias = "Callable[[HttpRefusal], JSON]"
"""Returns the JSON of an error, as the clients of an API understand it."""


@attrs.frozen
class HttpRoute:
    """A path of the local HTTP server.

    Attributes:
        path: as Starlette writes paths: ``/v1/models/{id:path}``.
        methods: the HTTP methods it answers; none for an application that is mounted, which
            answers all.
        endpoint: called with the request once token, Host and Origin are checked; returns the
            response.
        errors: returns the JSON of the errors that the server itself answers on this path; None
            for ``{"error": message}``. The first route below a path such as ``/v1`` says so for
            paths below it that nobody has, too.
        public: true where no token is wanted. Host and Origin are checked all the same.
        app: an ASGI application in the place of ``endpoint``: it reads the request and sends the
            answer itself.
        mount: true where the application answers every path below this one as well. Its
            ``root_path`` is this path then, as with Starlette's ``Mount``.

    ``scope["extensions"][CLIENT_GONE]["call"]`` of a request is a function: what it is given is
    called once, if the client goes before it has its whole answer.

    A route that could answer nothing is left out, as a fault of its plugin; the others stay.
    """

    path: str
    methods: tuple[str, ...] = ()
    endpoint: Callable[[Request], Awaitable[Response]] | None = None
    errors: ErrorShape | None = None
    public: bool = False
    app: ASGIApp | None = None
    mount: bool = False

    def verify(self) -> None:
        """Raises: TypeError, ValueError, for a route that could answer nothing."""
        self._check_types()
        if (self.endpoint is None) == (self.app is None):
            raise TypeError(f"the route {self.path} needs an endpoint or an app, and not both")
        if not self.path.startswith("/"):
            raise ValueError(f"the route {self.path} has a path that does not begin with a slash")
        if not self.mount and not self.methods:
            raise ValueError(f"the route {self.path} has no methods")
        if self.mount and (self.app is None or self.methods or "{" in self.path):
            raise ValueError(
                f"the mount {self.path} needs an app, a path without parameters, and no methods"
            )

    def _check_types(self) -> None:
        if not isinstance(self.path, str):
            raise TypeError(f"the path of a route is text, not {self.path!r}")
        for method in _as_methods(self.path, self.methods):
            if not isinstance(method, str):
                raise TypeError(f"the route {self.path} has a method {method!r}, which is no text")
            if _METHOD.fullmatch(method) is None:
                raise ValueError(f"the route {self.path} has a method {method!r}, which is no word")
        for name in ("endpoint", "errors", "app"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise TypeError(f"the route {self.path} has {name}={value!r}, which is no function")
        for name in ("public", "mount"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"the route {self.path} needs True or False for {name}")


def _as_methods(path: str, methods: object) -> Iterable[object]:
    # A str would be taken for its letters: methods E, G and T.
    if isinstance(methods, tuple | list | set | frozenset):
        return methods
    raise TypeError(f'the route {path} needs a tuple of methods such as ("GET",), not {methods!r}')


@attrs.frozen
class HttpAccess:
    """What a client of a node's HTTP server needs. Its ``repr`` is without the token.

    Attributes:
        url: the base URL that OpenAI's clients take: ``http://127.0.0.1:19001/v1``.
        token: what requests show, as ``Authorization: Bearer TOKEN``, ``x-api-key`` or ``api-key``.
    """

    url: str
    token: str = attrs.field(repr=False)

    @property
    def root(self) -> str:
        """The URL without ``/v1``: for Anthropic's clients, and in front of a route's path."""
        return self.url.removesuffix("/v1")


class ServesHttp(ABC):
    """What the object of a plugin is that runs an HTTP server with the routes of all plugins."""

    @abstractmethod
    def access(self) -> HttpAccess | None:
        """Return what clients need now, None where no server runs."""


def http_access(node: Node) -> HttpAccess | None:
    """Return what a client of this node's HTTP server needs now, None where no server runs.

    A reload of the configuration may exchange the token: ask again for each new client.
    """
    # mypy wants a class that can be made; this one is only compared with.
    plugin = node.plugins.find(ServesHttp)  # type: ignore[type-abstract]
    return None if plugin is None else plugin.access()
