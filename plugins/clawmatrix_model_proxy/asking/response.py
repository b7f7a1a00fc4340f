"""One response of the API: candidates are asked in turn, and the client gets the answer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio import CancelScope

from clawmatrix_http.api import CLIENT_GONE, WHOLE_ANSWER
from clawmatrix_model_proxy.asking.attempt import AttemptFailed, CallAttempt
from clawmatrix_model_proxy.asking.candidates import Candidates, Step, Tried
from clawmatrix_model_proxy.asking.client_sender import ClientSender, RawHeaders
from clawmatrix_model_proxy.asking.failover import rule_for
from clawmatrix_model_proxy.asking.lacking import lacking_last, note_heard, note_lack
from clawmatrix_model_proxy.errors import ApiError, from_fault
from clawmatrix_model_proxy.faults import AttemptFault
from clawmatrix_model_proxy.json_values import decode
from clawmatrix_model_proxy.streams.failures import Failure
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.wire import Head, Opening, media_type, passed_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from clawmatrix_core import Node
    from clawmatrix_model_proxy.asking.catalog import Choice
    from clawmatrix_model_proxy.asking.health import Health, Target
    from clawmatrix_model_proxy.asking.limits import AskLimits
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["ProxiedResponse"]

_TICK = 0.25
_LACKS_MOST = 8
"""Things that a serving node may say its upstream lacks, in one answer."""
_encode = msgspec.json.Encoder().encode


class ProxiedResponse:
    """Asks the candidates of a choice in turn, as the failover table says.

    Nothing of an answer goes to the client before its first meaningful part is here, so that
    every failure up to then moves on, or is an HTTP error. Once a part has gone out there is
    no other answer: a failure is then an error event that ends the stream. A client that
    leaves ends the work at the far side.
    """

    def __init__(
        self,
        node: Node,
        choice: Choice,
        opening: Opening,
        body: bytes,
        *,
        began: float,
        limits: AskLimits,
        health: Health,
        remember: Callable[[Head, Target], Callable[[bytes], None] | None] | None = None,
    ) -> None:
        """Make an answer; ``began`` is the clock's time at which the request came.

        ``remember`` is told which target's answer begins how; what it returns is shown each part.
        """
        self._node = node
        self._opening = opening
        self._format = FORMATS[opening.format]
        self._remember = remember
        self._request = body
        self._began = began
        self._limits = limits
        self._health = health
        targets = health.order(choice.targets, limits.balance, choice.losses)
        if health.lacks:
            targets = lacking_last(health.lacks, targets, self._format, body)
        self._candidates = Candidates(
            targets, deadline=began + limits.total, random_source=node.random
        )
        self._asked = targets[0]
        self._attempts = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        extensions = scope.get("extensions", {})
        client = self._client(send, takes_whole=WHOLE_ANSWER in extensions)
        gone = extensions.get(CLIENT_GONE)
        if gone is not None and not self._opening.stream:
            with CancelScope() as work:  # much cheaper than tasks that watch
                gone["call"](work.cancel)
                await self._answer(client)
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, receive, tasks.cancel_scope)
            if gone is not None:  # of requests in a row on one connection, only the last is watched
                gone["call"](tasks.cancel_scope.cancel)
            if self._opening.stream:
                tasks.start_soon(self._tick, client, self._limits.keep_alive)
            await self._answer(client)
            tasks.cancel_scope.cancel()

    async def give(self, send: Send) -> AttemptFailed | None:
        """Answer a caller in this process, who cancels this to leave; return what failed.

        Such a caller needs no comments that keep a connection alive.
        """
        client = self._client(send)
        if not self._opening.stream:
            return await self._answer(client)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick, client, math.inf)
            failed = await self._answer(client)
            tasks.cancel_scope.cancel()
        return failed

    def _client(self, send: Send, *, takes_whole: bool = False) -> ClientSender:
        limits = self._limits
        return ClientSender(
            send,
            self._node.clock.now,
            hold=limits.hold,
            limit=limits.max_answer,
            takes_whole=takes_whole,
        )

    async def _tick(self, client: ClientSender, keep_alive: float) -> None:
        while True:
            await anyio.sleep(min(_TICK, keep_alive))
            await client.tick()
            await client.keep_alive(keep_alive)

    async def _answer(self, client: ClientSender) -> AttemptFailed | None:
        """Give the client an answer, or an error; return the failure that the error is of."""
        last: dict[int, AttemptFailed] = {}
        while (step := self._candidates.step()) is not None:
            await anyio.sleep(step.wait) if step.wait else None
            failed = await self._try(step, client)
            if failed is None:
                return None
            self._candidates.failed(failed.fault, self._node.clock.now())
            last[id(self._candidates.tried[-1])] = failed
            if client.released:
                await client.fail(0, [], b"", self._failure(failed, client))
                return failed
            client.discard()
        final = self._candidates.final_failure()
        failed = last[id(final)]
        await self._fail(failed, final, client)
        return failed

    async def _try(self, step: Step, client: ClientSender) -> AttemptFailed | None:
        """Make one attempt; return what went wrong with it, None where it is the answer."""
        health, target, now = self._health, step.target, self._node.clock.now
        self._asked = target
        self._attempts += 1
        began = now()
        attempt = CallAttempt(
            self._node,
            msgspec.structs.replace(self._opening, upstream=target.upstream),
            self._request,
            client,
            describe=self._head_headers,
            limits=self._limits,
            begun=lambda head: self._begun(target, head, (now() - began) * 1000),
            others=not step.last,
        )
        health.begin(target)
        try:
            left = max(0.0, self._began + self._limits.total - began)
            if await attempt.make(target, self._patience(step), left):
                health.succeeded(target)
                if self._format.side and health.lacks:
                    health.lacks.served(target, self._format.name)
                return None
            failed = _out_of_time(self._limits.total, self._format)
        except AttemptFailed as error:
            failed = error.with_traceback(None)  # whose frames lead here, and hold the request
        except BaseException:
            health.abandoned(target)  # the client is gone
            raise
        note_lack(health.lacks, target, failed.fault)
        rule = rule_for(failed.fault)
        health.failed(target, str(failed.fault), counts=rule.counts, wait=failed.fault.wait)
        return failed

    def _patience(self, step: Step) -> float:
        if step.last:
            return self._limits.alone
        return self._limits.first_token if self._opening.stream else self._limits.whole_answer

    async def _fail(self, failed: AttemptFailed, final: Tried, client: ClientSender) -> None:
        self._asked = final.target
        body = _with_tried(failed.body, self._candidates.tried)
        event = self._format.failure(Failure(body))
        await client.fail(failed.status, [*self._who(), *self._passed(failed.headers)], body, event)

    def _failure(self, failed: AttemptFailed, client: ClientSender) -> bytes:
        """Return what ends a stream of which the client has had a part."""
        told = failed.error_sent
        body = from_fault(failed.fault).body(self._format) if told else failed.body
        return self._format.failure(Failure(body, client.first, client.last, told))

    def _begun(
        self, target: Target, head: Head, milliseconds: float
    ) -> Callable[[bytes], None] | None:
        self._health.first_token(target, milliseconds)
        for what in head.lacks[:_LACKS_MOST]:
            note_heard(self._health.lacks, target, what)
        return None if self._remember is None else self._remember(head, target)

    def _head_headers(self, head: Head) -> RawHeaders:
        elapsed = (self._node.clock.now() - self._began) * 1000
        upstream = head.upstream_ms if 0 <= head.upstream_ms <= elapsed else 0.0
        streams = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        return [
            (b"content-type", media_type(head.content_type).encode()),
            *self._who(),
            (b"x-clawmatrix-upstream-model", _latin(head.upstream_model)),
            (b"x-clawmatrix-overhead-ms", b"%.2f" % (elapsed - upstream)),
            *([(b"x-clawmatrix-dropped", _latin(head.dropped))] if head.dropped else ()),
            *self._passed(head.headers),
            *(streams if head.streams else ()),
        ]

    def _who(self) -> RawHeaders:
        return [
            (b"x-clawmatrix-node", self._asked.node.encode()),
            (b"x-clawmatrix-attempts", b"%d" % self._attempts),
        ]

    def _passed(self, headers: Mapping[str, str]) -> RawHeaders:
        """Return the headers of an answer that the client gets. Nodes send no others."""
        passed = passed_headers(headers)
        if left_out := len(headers) - len(passed):
            told = f"{left_out} headers of an answer that are left out"
            self._node.switch.report(self._asked.node, "bad_header", told)
        return [(name.encode(), value.encode()) for name, value in passed.items()]


async def _watch(receive: Receive, scope: CancelScope) -> None:
    """Cancel the scope when the client is gone, or has its answer."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _out_of_time(seconds: float, format: Format) -> AttemptFailed:
    message = f"no whole answer within {seconds:g} s"
    error = ApiError(504, message, type="upstream_error", code="deadline_exceeded")
    return AttemptFailed(AttemptFault("silent", None, "deadline_exceeded", message), error, format)


def _with_tried(body: bytes, tried: list[Tried]) -> bytes:
    """Add the list of what was tried to an error, where that is more than the error itself."""
    if len(tried) < 2:
        return body
    told: Any = decode(body)
    if not isinstance(told, dict):
        return body
    listed = [
        {"node": one.target.node, "upstream": one.target.upstream, "fault": str(one.fault)}
        for one in tried
    ]
    return _encode({**told, "tried": listed})


def _latin(text: str) -> bytes:
    """Return a peer's text as the value of a header: on one line, whatever it holds."""
    plain = text[:200]
    if not plain.isprintable():
        plain = "".join(c if c.isprintable() else "?" for c in plain)
    return plain.encode("latin-1", errors="replace")
