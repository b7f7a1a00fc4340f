"""A provider that misbehaves by model name, written from the public catalogue of faults.

Times are those of the catalogue, multiplied by ``scale``.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from anyio.abc import SocketAttribute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import SocketStream

__all__ = ["ANSWER", "Attempt", "Provider", "providing"]

ANSWER = " ".join(f"word{number}" for number in range(60))
TOKENS = ANSWER.split(" ")


@attrs.frozen
class Attempt:
    """A request that reached the provider, ``at`` so many seconds of the provider's clock."""

    model: str
    at: float
    status: str


@attrs.define
class Call:
    """One request, and the way to answer it."""

    stream: SocketStream
    body: dict[str, Any]
    number: int
    scale: float

    @property
    def model(self) -> str:
        return str(self.body["model"])

    async def wait(self, seconds: float) -> None:
        """Let the scaled time pass, or end when the other side has gone."""
        with anyio.move_on_after(seconds * self.scale):
            await self.stream.receive()
            raise anyio.BrokenResourceError

    async def head(self, status: int, type_: str, *fields: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-type: {type_}", *fields, "", ""]
        await self.stream.send("\r\n".join(lines).encode())

    async def error(self, status: int, code: str, *fields: str) -> None:
        """Answer with an error."""
        body = json.dumps({"error": {"message": code, "type": code, "code": code}}).encode()
        await self.head(status, "application/json", f"content-length: {len(body)}", *fields)
        await self.stream.send(body)

    @property
    def streams(self) -> bool:
        """Whether a stream is asked for."""
        return bool(self.body.get("stream"))

    async def body_of(
        self, *, sent: float = 1.0, framed: bool = True, broken: bool = False
    ) -> None:
        """Answer in one piece, or send the first part of it, as far as ``sent`` says.

        Without a frame the end of the connection is the end of the body.
        """
        message = {"role": "assistant", "content": ANSWER}
        usage = {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": self.model}
        body = json.dumps({**head, "choices": choices, "usage": usage}).encode()
        if broken:
            body = body[:90] + body[110:-1]
        fields = [f"content-length: {len(body)}"] if framed else ["connection: close"]
        await self.head(200, "application/json", *fields)
        await self.stream.send(body[: int(len(body) * sent)])
        if not framed:
            raise anyio.BrokenResourceError

    async def event(self, data: bytes) -> None:
        event = b"data: " + data + b"\n\n"
        await self.stream.send(b"%x\r\n%s\r\n" % (len(event), event))

    async def chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> None:
        """Send one chunk of a completion."""
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        whole = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": self.model}
        await self.event(json.dumps({**whole, "choices": choices, **more}).encode())

    async def begin(self) -> None:
        await self.head(200, "text/event-stream", "transfer-encoding: chunked")
        await self.chunk({"role": "assistant", "content": ""})

    async def tokens(self, first: int, last: int) -> None:
        for number in range(first, last):
            await self.chunk({"content": TOKENS[number] + (" " if number < 59 else "")})

    async def end(self, *, done: bool = True) -> None:
        """End as a good stream does, with usage."""
        await self.chunk({}, "stop")
        usage = {"prompt_tokens": 20, "completion_tokens": 60, "total_tokens": 80}
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": self.model}
        await self.event(json.dumps({**head, "choices": [], "usage": usage}).encode())
        if done:
            await self.event(b"[DONE]")
        await self.stream.send(b"0\r\n\r\n")

    async def whole(self) -> None:
        """Answer as a healthy provider does."""
        if not self.streams:
            await self.body_of()
            return
        await self.begin()
        await self.tokens(0, 60)
        await self.end()


# --- the faults


async def _s01(call: Call) -> None:
    if call.number == 1:
        # Not scaled: the header has whole seconds.
        await call.error(429, "rate_limit_exceeded", "retry-after: 2")
    else:
        await call.whole()


async def _s02(call: Call) -> None:
    await call.error(429, "rate_limit_exceeded")


async def _s03(call: Call) -> None:
    await (call.error(500, "server_error") if call.number == 1 else call.whole())


async def _s04(call: Call) -> None:
    await call.error(503, "overloaded")


async def _s05(call: Call) -> None:
    if call.number == 1:
        raise anyio.BrokenResourceError
    await call.whole()


async def _s06(call: Call) -> None:
    await call.wait(120)


async def _s07(call: Call) -> None:
    if not call.streams:
        await call.wait(20)
        await call.body_of()
        return
    await call.begin()
    await call.wait(20)
    await call.tokens(0, 60)
    await call.end()


async def _s08(call: Call) -> None:
    if not call.streams:
        await call.body_of(sent=2 / 3)
        raise anyio.BrokenResourceError
    await call.begin()
    await call.tokens(0, 40)
    raise anyio.BrokenResourceError


async def _s09(call: Call) -> None:
    if not call.streams:
        await call.body_of(sent=1 / 3)
        await call.wait(60)
        return
    await call.begin()
    await call.tokens(0, 20)
    await call.wait(30)


async def _s10(call: Call) -> None:
    if not call.streams:
        await call.body_of(broken=True)
        return
    await call.begin()
    await call.tokens(0, 8)
    await call.event(b'{"choices": [{"delta": {"content": "bro')
    await call.tokens(8, 60)
    await call.end()


async def _s11(call: Call) -> None:
    if not call.streams:
        await call.body_of(framed=False)
        return
    await call.begin()
    await call.tokens(0, 60)
    await call.end(done=False)


async def _s12(call: Call) -> None:
    await call.error(400, "context_length_exceeded")


async def _s13(call: Call) -> None:
    await call.error(400, "content_policy_violation")


async def _no_prefill(call: Call) -> None:
    if call.body["messages"][-1]["role"] == "assistant":
        await call.error(400, "prefill_not_supported")
    else:
        await call.whole()


FAULTS: dict[str, Callable[[Call], Awaitable[None]]] = {
    "s01": _s01,
    "s02": _s02,
    "s03": _s03,
    "s04": _s04,
    "s05": _s05,
    "s06": _s06,
    "s07": _s07,
    "s08": _s08,
    "s09": _s09,
    "s10": _s10,
    "s11": _s11,
    "s12": _s12,
    "s13": _s13,
    "s14": _s08,
    "s16": _s04,
    "ok": Call.whole,
    "ok-noprefill": _no_prefill,
}
OUTAGE = 60.0


class Provider:
    """Answers by the name of the model, and keeps the book of attempts."""

    def __init__(self, base_url: str, scale: float) -> None:
        self.base_url = base_url
        self.attempts: list[Attempt] = []
        self.prefill_refused = 0
        self._scale = scale
        self._counts: Counter[str] = Counter()
        self._since = anyio.current_time()

    def reset(self) -> None:
        """Begin anew: the outage of the flapping model begins now."""
        self.attempts.clear()
        self._counts.clear()
        self.prefill_refused = 0
        self._since = anyio.current_time()

    @property
    def outage_over(self) -> bool:
        """Whether the flapping model is healthy again."""
        return anyio.current_time() - self._since > OUTAGE * self._scale

    def of(self, model: str) -> list[Attempt]:
        """Return the attempts on a model."""
        return [attempt for attempt in self.attempts if attempt.model == model]

    async def serve(self, stream: SocketStream) -> None:
        """Answer the requests of one connection."""
        try:
            async with stream:
                while (body := await _read(stream)) is not None:
                    model = str(body["model"])
                    self._counts[model] += 1
                    self.attempts.append(Attempt(model, anyio.current_time(), "asked"))
                    call = Call(stream, body, self._counts[model], self._scale)
                    await self._answer(call)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            pass

    async def _answer(self, call: Call) -> None:
        if call.model == "s15":
            await (call.whole() if self.outage_over else call.error(503, "overloaded"))
            return
        if call.model == "ok-noprefill" and call.body["messages"][-1]["role"] == "assistant":
            self.prefill_refused += 1
        await FAULTS[call.model](call)


async def _read(stream: SocketStream) -> dict[str, Any] | None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    fields = (line.split(b":", 1) for line in head.lower().split(b"\r\n")[1:])
    length = int(next(value for name, value in fields if name == b"content-length"))
    while len(body) < length:
        body += await stream.receive()
    found: dict[str, Any] = json.loads(body)
    return found


@asynccontextmanager
async def providing(scale: float) -> AsyncIterator[Provider]:
    """Run a provider on loopback."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    provider = Provider(f"http://127.0.0.1:{port}/v1", scale)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, provider.serve)
        yield provider
        tasks.cancel_scope.cancel()
