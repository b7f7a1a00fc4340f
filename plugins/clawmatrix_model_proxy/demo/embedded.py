"""A small upstream that really speaks the chat completions API: for demonstrations and tests.

It is no language model, and says so. ``python -m clawmatrix_model_proxy.demo.embedded --port 8000``
runs it alone; ``async with serve() as server`` runs it in an asyncio program.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import attrs
import click
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from clawmatrix_core import LocalProtocolError
from clawmatrix_model_proxy.demo.embedded_answer import Completion, compute, delay_of, say
from clawmatrix_model_proxy.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from typing import TypeAlias

    from anyio import CancelScope
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    Answers: TypeAlias = str | Callable[[dict[str, Any]], str | Awaitable[str]] | None

__all__ = ["MODEL", "Running", "Stats", "make_app", "serve", "serve_at"]

MODEL = "embedded"
"""The model listed. Any name is answered; one that ends in ``@50ms`` is that slow per word."""

_ONLY_ASYNCIO = (
    "local_upstream needs asyncio; on trio enter it in a thread of its own, by"
    " anyio.from_thread.start_blocking_portal()"
)
_encode = msgspec.json.Encoder().encode
_FAIRNESS = 16
"""Words sent in a row before others get a turn."""


@attrs.define
class Stats:
    """What went on, for tests to look at.

    Attributes:
        requests: chat requests taken.
        active: of these, not yet ended.
        completed: answered to the end.
        cancelled: given up, the client having gone.
        chunks: events sent in streams.
    """

    requests: int = 0
    active: int = 0
    completed: int = 0
    cancelled: int = 0
    chunks: int = 0


@attrs.frozen
class Running:
    """A server that runs: its address, for a model's ``base_url``, and its counts."""

    base_url: str
    stats: Stats


class _CompletionResponse(Response):
    """An answer on its way, given up when the client goes."""

    def __init__(
        self, request: dict[str, Any], answer: Completion, stats: Stats, delay: float
    ) -> None:
        self.background = None
        self._request = request
        self._answer = answer
        self._stats = stats
        self._delay = delay_of(str(request.get("model")), delay)
        self._base = {
            "id": f"chatcmpl-embedded-{stats.requests}",
            "created": int(time.time()),
            "model": request.get("model"),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._stats.active += 1
        done = False
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch, receive, tasks.cancel_scope)
                await (self._stream(send) if self._request.get("stream") else self._whole(send))
                done = True
                tasks.cancel_scope.cancel()
        finally:
            self._stats.active -= 1
            self._stats.completed += done
            self._stats.cancelled += not done

    async def _whole(self, send: Send) -> None:
        await anyio.sleep(self._delay * len(self._answer.words))
        message = {"role": "assistant", "content": self._answer.text, "refusal": None}
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self._answer.finish,
        }
        body = _encode(
            {
                **self._base,
                "object": "chat.completion",
                "choices": [choice],
                "usage": self._answer.usage,
            }
        )
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for at, event in enumerate(self._events()):
            if self._delay and at:
                await anyio.sleep(self._delay)
            elif at % _FAIRNESS == 0:
                await anyio.lowlevel.checkpoint()
            await send({"type": "http.response.body", "body": event, "more_body": True})
            self._stats.chunks += 1
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    def _events(self) -> Iterator[bytes]:
        yield self._event({"role": "assistant", "content": ""})
        for at, word in enumerate(self._answer.words):
            yield self._event({"content": f" {word}" if at else word})
        yield self._event({}, self._answer.finish)
        options = self._request.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage"):
            yield self._chunk([], usage=self._answer.usage)

    def _event(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        return self._chunk(
            [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        )

    def _chunk(self, choices: list[dict[str, Any]], **more: object) -> bytes:
        chunk = {**self._base, "object": "chat.completion.chunk", "choices": choices, **more}
        return b"data: " + _encode(chunk) + b"\n\n"


async def _watch(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _answer(asked: dict[str, Any], answer: Answers) -> Completion:
    if answer is None:
        return compute(asked)
    said = answer if isinstance(answer, str) else answer(asked)
    text = said if isinstance(said, str) else await said
    return say(asked, lambda _: text)


def make_app(
    stats: Stats, *, answer: Answers = None, delay: float = 0.0, api_key: str | None = None
) -> ASGIApp:
    """Return the ASGI application.

    Args:
        stats: counts what happens.
        answer: what it says, or a function of the request that returns that; see
            ``local_upstream``.
        delay: seconds between two words; a whole answer waits for all of them.
        api_key: what must come as a Bearer token, where one must.
    """

    async def chat(request: Request) -> Response:
        stats.requests += 1
        try:
            if api_key is not None and request.headers.get("authorization") != f"Bearer {api_key}":
                raise ApiError(401, "the API key is wrong", code="invalid_api_key")
            asked = _read(await request.body())
            return _CompletionResponse(asked, await _answer(asked, answer), stats, delay)
        except ApiError as error:
            return Response(error.body(), error.status, media_type="application/json")

    async def models(request: Request) -> Response:
        entry = {"id": MODEL, "object": "model", "created": 0, "owned_by": "clawmatrix"}
        return _json({"object": "list", "data": [entry]})

    async def statistics(request: Request) -> Response:
        return _json(attrs.asdict(stats))

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models", models),
            Route("/stats", statistics),
        ]
    )


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from None
    if not isinstance(request, dict) or not isinstance(request.get("model"), str):
        raise ApiError(400, "the request names no model", param="model")
    return request


def _json(value: object) -> Response:
    return Response(_encode(value), media_type="application/json")


class _EmbeddedServer(uvicorn.Server):
    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


@asynccontextmanager
async def serve(
    port: int = 0,
    *,
    answer: Answers = None,
    delay: float = 0.0,
    api_key: str | None = None,
) -> AsyncIterator[Running]:
    """Run the upstream on a loopback port. Needs asyncio. Raises: OSError."""
    stats = Stats()
    # Named as TCP, or asyncio leaves the delay of small writes on.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        app = make_app(stats, answer=answer, delay=delay, api_key=api_key)
        config = uvicorn.Config(
            app, ws="none", lifespan="off", log_config=None, server_header=False
        )
        config.load()
        server = _EmbeddedServer(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[bound])
        try:
            yield Running(f"http://127.0.0.1:{bound.getsockname()[1]}/v1", stats)
        finally:
            await _stop(server)


@asynccontextmanager
async def serve_at(answer: Answers, *, delay: float, api_key: str | None) -> AsyncIterator[str]:
    """See ``local_upstream``. Raises: LocalProtocolError, where asyncio does not run."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise LocalProtocolError(_ONLY_ASYNCIO) from None
    async with serve(answer=answer, delay=delay, api_key=api_key) as running:
        yield running.base_url


async def _stop(server: uvicorn.Server) -> None:
    for listener in server.servers:
        listener.close()
    tasks = tuple(server.server_state.tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1.0)
    for connection in tuple(server.server_state.connections):
        if connection.transport is not None:
            connection.transport.abort()
    await asyncio.sleep(0)


@click.command()
@click.option("--port", default=0, help="The port on 127.0.0.1; 0 takes any free one.")
@click.option("--delay", default=0.0, help="Seconds between two words.")
@click.option("--api-key", default=None, help="What clients must send as a Bearer token.")
def main(port: int, delay: float, api_key: str | None) -> None:
    """Run the embedded model until interrupted."""

    async def run() -> None:
        async with serve(port, delay=delay, api_key=api_key) as server:
            click.echo(f"listening on {server.base_url}")
            await anyio.sleep_forever()

    anyio.run(run)


if __name__ == "__main__":
    main()
