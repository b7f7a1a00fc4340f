"""The ASGI application: guard, routes, and errors that tell nothing they should not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request

from clawmatrix_core.spi import ByteBudget, serves_input, stray
from clawmatrix_http.answer import Answer
from clawmatrix_http.api import CLIENT_GONE, HttpRefusal
from clawmatrix_http.body import LimitedBody
from clawmatrix_http.guard import Asker, Guard, read_headers
from clawmatrix_http.protocol import CONNECTION, HttpConnection
from clawmatrix_http.refusal import body_of, plain_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from clawmatrix_core import Proxies
    from clawmatrix_http.api import HttpRoute
    from clawmatrix_http.table import Found, RouteTable

__all__ = ["Application"]

_FAILED = HttpRefusal(500, "internal_error", "the request failed here; the node's log says why")
_CLOSE = (b"connection", b"close")
_FULL = HttpRefusal(
    503,
    "bodies_full",
    "the bodies of other requests leave no memory for this one (see [http] max_bodies)",
    (_CLOSE, (b"retry-after", b"5")),
)


ENCODINGS = ("gzip", "deflate")
"""What the body of a request may be compressed with."""
_ENCODINGS = " or ".join(ENCODINGS)
_UNKNOWN_ENCODING = HttpRefusal(
    415,
    "unsupported_encoding",
    f"the body is compressed in a way that is not known here: send it plain, or with {_ENCODINGS}",
    (_CLOSE, (b"accept-encoding", ", ".join(ENCODINGS).encode())),
)
_OF_THE_BODY = frozenset((b"content-encoding", b"content-length"))
"""Headers that are about the compressed body, which no application sees."""


class Application:
    """Answers HTTP requests with the routes of a table.

    Args:
        table: the routes.
        guard: who may use them.
        max_body: bytes a request's body may have.
        on_fault: told of an endpoint that raised: its plugin, what it was asked, the exception.
        on_refused: told of a request that was refused: the reason, and who sent it.
        proxies: the reverse proxies whose forwarded addresses count.
        max_bodies: bytes that the bodies of all requests may have together.
    """

    def __init__(
        self,
        table: RouteTable,
        guard: Guard,
        max_body: int,
        on_fault: Callable[[str, str, Exception], None],
        on_refused: Callable[[str, str], None],
        proxies: Proxies,
        max_bodies: int,
    ) -> None:
        self._table = table
        self._guard = guard
        self._max_body = max_body
        self._on_fault = on_fault
        self._on_refused = on_refused
        self._proxies = proxies
        self._bodies = ByteBudget(max(max_bodies, 2 * max_body))

    @property
    def bodies_held(self) -> int:
        """Bytes that are held of the bodies of requests."""
        return self._bodies.held

    def use(self, guard: Guard, max_body: int, max_bodies: int) -> None:
        """Let others in, and other sizes, from the next request on."""
        self._guard, self._max_body = guard, max_body
        self._bodies.most = max(max_bodies, 2 * max_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        asker = read_headers(scope["headers"])
        found = self._table.find(scope["method"], scope["path"])
        allowed = asker.origin is not None and self._guard.allows_origin(asker)
        answer = Answer(send, _cross_origin(asker) if allowed else [])
        preflight = allowed and scope["method"] == "OPTIONS"
        server = scope["server"][0] if scope.get("server") else None
        refusal = self._guard.check(asker, server=server, public=found.public or preflight)
        if refusal is None and preflight:
            await _answer_preflight(answer)
            return
        connection: HttpConnection = scope["extensions"][CONNECTION]["connection"]
        if refusal is None and not found.public:
            connection.prove()
        refusal = refusal or found.refusal or self._refuse_body(asker)
        if refusal is not None:
            self._on_refused(_reason(refusal, asker), self._client(scope))
            await self._refuse(answer, refusal, found)
            return
        if asker.encoding is not None:
            from clawmatrix_http.inflating import inflated  # few clients compress

            bad = partial(self._refuse_opened, answer, found, scope)
            receive = inflated(receive, asker.encoding, bad)
            scope["headers"] = [one for one in scope["headers"] if one[0] not in _OF_THE_BODY]
        over = partial(self._refuse_size, answer, found, scope)
        body = LimitedBody(receive, self._max_body, self._bodies, connection, over)
        try:
            await self._run(found, scope, body, answer)
        finally:
            body.release()

    @serves_input
    async def _run(self, found: Found, scope: Scope, receive: Receive, answer: Answer) -> None:
        if found.route is None:
            return
        scope["path_params"] = dict(found.params)
        if found.route.mount:
            scope["root_path"] = scope.get("root_path", "") + found.route.path.rstrip("/")
        fault: Exception | None = None
        try:
            await _serve(found.route, scope, receive, answer.send)
        except ClientDisconnect:
            pass  # nobody is there to be told
        except BaseException as error:  # one endpoint's fault is not the server's
            if (fault := stray(error)) is None:
                raise
        if fault is not None or not answer.ended:
            await self._finish(fault, found, scope, answer)

    async def _finish(
        self, fault: Exception | None, found: Found, scope: Scope, answer: Answer
    ) -> None:
        """Give a request its answer where the application gave it none, or half of one."""
        if answer.replaced:
            return
        if fault is None:
            if answer.ended or _is_gone(scope):
                return
            part = "the end of its answer" if answer.begun else "an answer"
            fault = RuntimeError(f"it returned without {part}")
        self._on_fault(found.plugin, f"{scope['method']} {scope['path'][:200]}", fault)
        # Once it has begun, all that is left is to close: the server does, on return.
        if not answer.begun:
            await self._refuse(answer, _FAILED, found)

    async def _refuse_size(self, answer: Answer, found: Found, scope: Scope, full: bool) -> None:
        await self._replace(answer, found, scope, _FULL if full else self._too_large())

    async def _refuse_opened(self, answer: Answer, found: Found, scope: Scope, why: str) -> None:
        message = f"the compressed body cannot be opened: {why}"
        refusal = HttpRefusal(400, "bad_encoding", message, (_CLOSE,))
        await self._replace(answer, found, scope, refusal)

    async def _replace(
        self, answer: Answer, found: Found, scope: Scope, refusal: HttpRefusal
    ) -> None:
        if not answer.replaced:
            self._on_refused(refusal.code, self._client(scope))
            await answer.replace(refusal, self._body(refusal, found))

    async def _refuse(self, answer: Answer, refusal: HttpRefusal, found: Found) -> None:
        await answer.refuse(refusal, self._body(refusal, found))

    def _body(self, refusal: HttpRefusal, found: Found) -> bytes:
        try:
            return body_of(refusal, found.shape)
        except BaseException as error:  # the client is to get an answer all the same
            if (fault := stray(error, called=True)) is None:
                raise
            self._on_fault(found.plugin or "http", f"the shape of a {refusal.status}", fault)
            return body_of(refusal, plain_error)

    def _refuse_body(self, asker: Asker) -> HttpRefusal | None:
        if asker.encoding is not None:
            from clawmatrix_http.inflating import BodyInflater

            if not BodyInflater.knows(asker.encoding):
                return _UNKNOWN_ENCODING
        if asker.length is not None and asker.length > self._max_body:
            return self._too_large()
        return None

    def _client(self, scope: Scope) -> str:
        """Return who sent a request, for the log."""
        client = scope.get("client")
        if not client:
            return "an unknown address"
        listed, forwarded = _values(scope, b"x-forwarded-for"), _values(scope, b"forwarded")
        return self._proxies.client(client[0], listed, forwarded)

    def _too_large(self) -> HttpRefusal:
        message = f"the body has more than {self._max_body:d} bytes (see [http] max_body)"
        return HttpRefusal(413, "request_too_large", message, (_CLOSE,))


def _reason(refusal: HttpRefusal, asker: Asker) -> str:
    """Return the word that a refusal is counted by."""
    if refusal.status != 401:
        return refusal.code
    return "wrong_token" if asker.tokens else "no_token"


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


async def _serve(route: HttpRoute, scope: Scope, receive: Receive, send: Send) -> None:
    if route.app is not None:
        await route.app(scope, receive, send)
    elif route.endpoint is not None:
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)


def _is_gone(scope: Scope) -> bool:
    """Say whether nobody waits any more: an application need not answer then."""
    told: list[bool] = []
    client_gone = scope.get("extensions", {}).get(CLIENT_GONE)
    if client_gone is not None:
        client_gone["call"](lambda: told.append(True))
    return bool(told)


def _cross_origin(asker: Asker) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", asker.origin or b""),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    ]


async def _answer_preflight(answer: Answer) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"access-control-allow-headers", b"*, authorization"),
        (b"access-control-max-age", b"600"),
    ]
    await answer.send({"type": "http.response.start", "status": 204, "headers": headers})
    await answer.send({"type": "http.response.body", "body": b""})
