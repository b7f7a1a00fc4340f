"""One attempt at an answer: an exchange with a serving node, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from anyio import CancelScope, current_time
from msgspec.structs import replace

from clawmatrix_core import ExchangeError, ExchangeFailure
from clawmatrix_core.spi import ByteBudget
from clawmatrix_model_proxy.asking.client_sender import ClientSender, HeldTooMuch, RawHeaders
from clawmatrix_model_proxy.error_text import error_text
from clawmatrix_model_proxy.errors import (
    ApiError,
    from_exchange,
    is_own_too_long,
    too_long_error,
    wrap_upstream_error,
)
from clawmatrix_model_proxy.faults import (
    AttemptFault,
    fault_of_error,
    fault_of_event,
    fault_of_status,
)
from clawmatrix_model_proxy.kept_answers import WaitingBytes, no_memory
from clawmatrix_model_proxy.streams.formats import FORMATS, Format
from clawmatrix_model_proxy.streams.sse import WholeEvents
from clawmatrix_model_proxy.too_long import TOO_LONG
from clawmatrix_model_proxy.wire import (
    REQUEST,
    SMALL,
    UPSTREAM_FAILED,
    Head,
    Opening,
    read_body,
    read_head,
    read_sign,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import Exchange, Node
    from clawmatrix_model_proxy.asking.health import Target
    from clawmatrix_model_proxy.asking.limits import AskLimits
    from clawmatrix_model_proxy.wire import Sign

    Watch = Callable[[bytes], None]

__all__ = ["AttemptFailed", "CallAttempt"]

_ERROR_LIMIT = 1024 * 1024
HASTE = 5.0
"""Seconds that a node without a route gets while another candidate could answer instead."""


class _Said(msgspec.Struct, frozen=True):
    """An error as the client is told it."""

    status: int
    body: bytes
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class AttemptFailed(Exception):
    """An attempt came to nothing.

    Attributes:
        fault: what the failover table decides by.
        status, body, headers: the error for the client, should it be the last word.
        told: that error, where it is this node's own and not an upstream's.
        error_sent: the client has the upstream's own error event already.
    """

    def __init__(
        self,
        fault: AttemptFault,
        said: _Said | ApiError,
        format: Format,
        *,
        error_sent: bool = False,
    ) -> None:
        super().__init__(str(fault))
        self.told = said if isinstance(said, ApiError) else None
        if isinstance(said, ApiError):
            said = _Said(said.status, said.body(format))
        self.fault = fault
        self.status, self.body, self.headers = said.status, said.body, said.headers
        self.error_sent = error_sent


class CallAttempt:
    """Asks one target and passes on its answer.

    Args:
        node: asks.
        opening: what to ask for.
        body: the client's request.
        client: where the answer goes.
        describe: makes the headers of an answer out of its head.
        limits: the times and sizes that it keeps to.
        begun: called once, when the first part of an answer is there; what it returns is shown
            each part before the client gets it.
        others: whether other candidates are left, which a dead link is not waited for then.
    """

    def __init__(
        self,
        node: Node,
        opening: Opening,
        body: bytes,
        client: ClientSender,
        *,
        describe: Callable[[Head], RawHeaders],
        limits: AskLimits,
        begun: Callable[[Head], Watch | None],
        others: bool = False,
    ) -> None:
        self._node = node
        self._opening = opening
        self._format = FORMATS[opening.format]
        self._body = body
        self._client = client
        self._describe = describe
        self._limits = limits
        self._begun = begun
        self._watch: Watch | None = None
        self._others = others
        self._began = self._end = self._patience = 0.0
        self._alive = self._gave_up = False

    async def make(self, target: Target, first_token: float, left: float) -> bool:
        """Ask, and see the answer through; False where it was not whole in the time left.

        Both times are in seconds. Raises: AttemptFailed.
        """
        self._began = now = current_time()
        self._end = now + left
        self._patience = first_token
        # One scope for both limits: they cost more than they look.
        with (
            CancelScope(deadline=min(now + first_token, self._end)) as scope,
            self._limits.answers.hold(target.node, scope.cancel) as held,
        ):
            await self._ask(target, scope, held)
            return True
        if held.given_up or self._gave_up:
            raise self._failed(no_memory(), target)
        if scope.deadline == self._end:
            return False
        message = f"no answer began within {self._patience:g} s"
        raise self._failed(ExchangeFailure("upstream_timeout", message), target)

    async def _ask(self, target: Target, scope: CancelScope, held: ByteBudget.Held) -> None:
        self._client.counted = held
        try:
            async with self._open(target) as exchange:
                if self._others:
                    exchange.outlast(HASTE)
                head = await self._first(exchange, scope)
                scope.deadline = self._end
                if head.status >= 400:
                    await self._fail_with_error(exchange, head)
                self._watch = self._begun(head)
                if head.streams:
                    self._client.open(head.status, self._describe(head))
                    await self._stream(exchange, scope)
                else:
                    await self._whole(exchange, head, held)
        except ExchangeError as error:
            raise self._failed(error, target) from None
        except ByteBudget.Exceeded:
            raise self._failed(no_memory(), target) from None
        except HeldTooMuch:
            raise self._failed(_too_much(self._limits.max_answer), target) from None

    def _open(self, target: Target) -> Exchange:
        small = len(self._body) <= SMALL
        return self._node.exchange(
            target.node,
            REQUEST,
            self._opening,
            data=self._body if small else None,
            complete=small,
        )

    async def _first(self, exchange: Exchange, scope: CancelScope) -> Head:
        if not exchange.complete:
            await exchange.finish(self._body)
        payload = await exchange.receive()
        while (sign := read_sign(payload)) is not None:
            scope.deadline = min(self._deadline_of(sign), self._end)
            payload = await exchange.receive()
        return read_head(payload)

    def _deadline_of(self, sign: Sign) -> float:
        """Return until when the answer has to begin behind a sign of the serving node."""
        if sign.first_token and self._others and not self._alive:
            self._patience = min(sign.first_token, self._limits.alone)
        if sign.alive:
            self._alive = True
            self._patience = self._limits.alone
            return current_time() + self._patience
        return self._began + self._patience

    async def _fail_with_error(self, exchange: Exchange, head: Head) -> None:
        body = await read_body(exchange, _ERROR_LIMIT, "answer_too_large", "an error's size")
        side = self._format.name if self._format.side else None
        now = self._node.clock.wall()
        fault = fault_of_status(head.status, body, head.headers, now, side=side)
        raise AttemptFailed(fault, self._said(head, body, fault), self._format)

    def _said(self, head: Head, body: bytes, fault: AttemptFault) -> _Said:
        """Return an error as the client is told it, should it be the last word."""
        if fault.code == TOO_LONG:
            if not is_own_too_long(body, self._format):
                body = too_long_error(error_text(body)).body(self._format)
            return _Said(400, body, head.headers)
        # The serving node has given it the API's shape; a node of others may not have.
        body = wrap_upstream_error(head.status, body, self._format)
        return _Said(head.status, body, head.headers)

    async def _whole(self, exchange: Exchange, head: Head, held: ByteBudget.Held) -> None:
        limit = self._limits.max_answer
        body = await read_body(exchange, limit, "answer_too_large", "max_answer", held.add)
        held.finish()
        headers = self._describe(head)
        if self._watch is not None:
            self._watch(body)
        await self._client.whole(head.status, headers, body)

    async def _stream(self, exchange: Exchange, scope: CancelScope) -> None:
        waiting = WaitingBytes(self._limits.answers, exchange.peer, scope.cancel)
        try:
            await self._events(exchange, waiting)
        finally:
            self._gave_up = waiting.given_up
            waiting.release()

    async def _events(self, exchange: Exchange, waiting: WaitingBytes) -> None:
        # The serving node sends whole events, but an exchange cuts what is large in chunks. Only
        # whole ones go out, so that an error event never begins within another event.
        events = WholeEvents(limit=self._limits.max_event, limited=False)
        async for data in exchange:
            if not isinstance(data, bytes):
                raise ExchangeFailure("bad_answer", "JSON in place of bytes")
            whole = events.feed(data)
            waiting.note(events.waiting)
            if whole:
                if self._watch is not None:
                    self._watch(whole)
                await self._client.write(whole)
                if self._others and self._client.released:
                    exchange.outlast(None)  # no other candidate can take over any more
                    self._others = False
        rest = events.rest()
        if rest and self._watch is not None:
            self._watch(rest)
        await self._client.finish(rest)

    def _failed(self, error: ExchangeError, target: Target) -> AttemptFailed:
        here = isinstance(error, ExchangeFailure) and error.here
        said = from_exchange(error, self._node.id if here else target.node)
        if isinstance(error, ExchangeFailure) and error.code == UPSTREAM_FAILED:
            fault = replace(fault_of_event(error.detail), kind="cut")
            return AttemptFailed(fault, said, self._format, error_sent=True)
        fault = fault_of_error(error)
        if self._client.begun and fault.kind not in ("node", "refused"):
            fault = replace(fault, kind="cut")
        return AttemptFailed(fault, said, self._format)


def _too_much(limit: int) -> ExchangeFailure:
    return ExchangeFailure("answer_too_large", f"more than {limit:d} bytes (max_answer) are held")
