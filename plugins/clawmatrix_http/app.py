"""The ASGI application: guard, routes, and errors that tell nothing they should not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request

from clawmatrix_core.spi import serves_input, stray
from clawmatrix_http.api import HttpRefusal
from clawmatrix_http.guard import Asker, Guard, read_headers
from clawmatrix_http.refusal import body_of, plain_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Receive, Scope, Send

    from clawmatrix_http.api import HttpRoute
    from clawmatrix_http.table import Found, RouteTable

__all__ = ["Application"]

_FAILED = HttpRefusal(500, "internal_error", "the request failed here; the node's log says why")
_CLOSE = (b"connection", b"close")


class _BodyTooLarge(Exception):
    """A body without a length went over the limit."""


class _Answer:
    """One answer on its way out: whether it has begun, and what each one carries."""

    __slots__ = ("_extra", "_send", "begun")

    def __init__(self, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._extra = extra
        self.begun = False

    async def send(self, message: Message) -> None:
        if not self.begun:
            self.begun = True
            if self._extra:
                message = {**message, "headers": [*message.get("headers", ()), *self._extra]}
        await self._send(message)

    async def refuse(self, refusal: HttpRefusal, body: bytes) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *refusal.headers,
        ]
        status = refusal.status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


class Application:
    """Answers HTTP requests with the routes of a table.

    Args:
        table: the routes.
        guard: who may use them.
        max_body: bytes a request's body may have.
        on_fault: told of an endpoint that raised: its plugin, what it was asked, the exception.
    """

    def __init__(
        self,
        table: RouteTable,
        guard: Guard,
        max_body: int,
        on_fault: Callable[[str, str, Exception], None],
    ) -> None:
        self._table = table
        self._guard = guard
        self._max_body = max_body
        self._on_fault = on_fault

    def use(self, guard: Guard, max_body: int) -> None:
        """Let others in, and other sizes, from the next request on."""
        self._guard, self._max_body = guard, max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        asker = read_headers(scope["headers"])
        found = self._table.find(scope["method"], scope["path"])
        allowed = asker.origin is not None and self._guard.allows_origin(asker)
        answer = _Answer(send, _cross_origin(asker) if allowed else [])
        preflight = allowed and scope["method"] == "OPTIONS"
        server = scope["server"][0] if scope.get("server") else None
        refusal = self._guard.check(asker, server=server, public=found.public or preflight)
        if refusal is None and preflight:
            await _answer_preflight(answer)
            return
        refusal = refusal or found.refusal or self._refuse_length(asker)
        if refusal is not None:
            await self._refuse(answer, refusal, found)
            return
        if asker.length is None:
            receive = _limited(receive, self._max_body)
        await self._run(found, scope, receive, answer)

    @serves_input
    async def _run(self, found: Found, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if found.route is None:
            return
        scope["path_params"] = found.params
        if found.route.mount:
            scope["root_path"] = scope.get("root_path", "") + found.route.path.rstrip("/")
        try:
            await _serve(found.route, scope, receive, answer.send)
        except ClientDisconnect:
            pass  # nobody is there to be told
        except _BodyTooLarge:
            if not answer.begun:
                await self._refuse(answer, self._too_large(), found)
        except Exception as error:  # noqa: BLE001 - one endpoint's fault is not the server's
            await self._failed(error, found, scope, answer)
        except BaseException as error:
            if (fault := stray(error)) is None:
                raise
            await self._failed(fault, found, scope, answer)

    async def _failed(self, error: Exception, found: Found, scope: Scope, answer: _Answer) -> None:
        self._on_fault(found.plugin, f"{scope['method']} {scope['path'][:200]}", error)
        # Once it has begun, all that is left is to close: the server does, on return.
        if not answer.begun:
            await self._refuse(answer, _FAILED, found)

    async def _refuse(self, answer: _Answer, refusal: HttpRefusal, found: Found) -> None:
        try:
            body = body_of(refusal, found.shape)
        except Exception as error:  # noqa: BLE001 - the client is to get an answer all the same
            self._on_fault(found.plugin or "http", f"the shape of a {refusal.status}", error)
            body = body_of(refusal, plain_error)
        await answer.refuse(refusal, body)

    def _refuse_length(self, asker: Asker) -> HttpRefusal | None:
        if asker.length is not None and asker.length > self._max_body:
            return self._too_large()
        return None

    def _too_large(self) -> HttpRefusal:
        message = f"the body has more than {self._max_body:d} bytes (see [http] max_body)"
        return HttpRefusal(413, "request_too_large", message, (_CLOSE,))


async def _serve(route: HttpRoute, scope: Scope, receive: Receive, send: Send) -> None:
    if route.app is not None:
        await route.app(scope, receive, send)
    elif route.endpoint is not None:
        response = await route.endpoint(Request(scope, receive))
        await response(scope, receive, send)


def _limited(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _BodyTooLarge
        return message

    return counted


def _cross_origin(asker: Asker) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", asker.origin or b""),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    ]


async def _answer_preflight(answer: _Answer) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        (b"access-control-allow-headers", b"*, authorization"),
        (b"access-control-max-age", b"600"),
    ]
    await answer.send({"type": "http.response.start", "status": 204, "headers": headers})
    await answer.send({"type": "http.response.body", "body": b""})
