"""The pump: each line of a client goes to the node, and each message of the node to the client."""

from __future__ import annotations

import signal
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

import anyio
import attrs
import httpx2
import msgspec

from clawmatrix_core import Bound
from clawmatrix_mcp.stdio.answers import answer_of, is_stream, messages_of
from clawmatrix_mcp.stdio.endpoint import Endpoint
from clawmatrix_mcp.stdio.failures import Failed, error_line
from clawmatrix_mcp.stdio.lines import MAX_LINE, LineReader, LineWriter, TooLong
from clawmatrix_mcp.stdio.message import Malformed, Message, RequestId, read_message
from clawmatrix_mcp.stdio.parameters import MISMATCH, ParameterHeaders, error_code
from clawmatrix_mcp.stdio.session import Session
from clawmatrix_mcp.stdio.subscription import LISTEN, listen_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from clawmatrix_mcp.stdio.place import Place

__all__ = ["MAX_UNDER_WAY", "Pump", "run"]

MAX_UNDER_WAY = Bound(
    1024,
    "messages that `clawmatrix mcp` has under way",
    fed_by="a client",
    when_full="a request beyond them is answered with an error, another message is left out",
)
_LAST_WORDS: Final = 2.0
"""Seconds for telling the node that the client has gone, and for lines not yet written."""
_HEAD: Final = 1.0
"""Seconds for which the withdrawal of a request waits for the request to have arrived."""
_INITIALIZED: Final = "notifications/initialized"
_PARSE_ERROR: Final = -32700
_NULL: Final = msgspec.Raw(b"null")


@attrs.define
class _UnderWay:
    """A request that the node works on."""

    message: Message
    scope: anyio.CancelScope = attrs.field(factory=anyio.CancelScope)
    arrived: anyio.Event = attrs.field(factory=anyio.Event)
    withdrawn: bool = False
    listens: bool = False


class Pump:
    """Pumps messages between two descriptors and a node, until the client has gone."""

    def __init__(
        self, place: Place, tell: Callable[[str], None], *, reads: int = 0, writes: int = 1
    ) -> None:
        """Make one.

        Args:
            place: where the node is.
            tell: takes words for a person.
            reads: the descriptor that the client writes to.
            writes: the descriptor that the client reads from.
        """
        self._tell = tell
        self._endpoint = Endpoint(place)
        self._reader = LineReader(reads)
        self._writer = LineWriter(writes)
        self._session = Session(self._endpoint, self._writer.write, tell)
        self._parameters = ParameterHeaders()
        self._requests: dict[RequestId, _UnderWay] = {}
        self._under_way = 0
        self._before: anyio.Event | None = None
        self._listens = False

    async def run(self) -> None:
        """Pump until the client closes its end, or a signal comes."""
        async with self._endpoint.client, anyio.create_task_group() as tasks:
            self._reader.start()
            self._writer.start()
            tasks.start_soon(self._end_by_signal, tasks.cancel_scope)
            tasks.start_soon(self._end_by_output, tasks.cancel_scope)
            try:
                async for line in self._reader.lines:
                    self._take(line, tasks)
            finally:
                self._reader.close()
                with anyio.move_on_after(_LAST_WORDS, shield=True):
                    await self._say_good_bye()
                tasks.cancel_scope.cancel()

    def _take(self, line: bytes | TooLong, tasks: TaskGroup) -> None:
        """Begin with a line; nothing here waits, so that the end of the input is always seen."""
        try:
            if isinstance(line, TooLong):
                raise Malformed(f"a line of more than {MAX_LINE} bytes")
            message = read_message(line)
        except Malformed as error:
            answer = error_line(_NULL, _PARSE_ERROR, f"clawmatrix mcp got {error}")
            tasks.start_soon(self._writer.write, answer)
            return
        withdrawn = None if message.cancels is None else self._requests.get(message.cancels)
        if self._under_way >= MAX_UNDER_WAY and withdrawn is None:
            self._turn_away(message, tasks)
            return
        self._under_way += 1
        if message.id is not None and message.is_request:
            under_way = self._requests[message.id] = _UnderWay(message)
            tasks.start_soon(self._ask, message.id, under_way, self._before, tasks)
        elif message.cancels is not None:
            tasks.start_soon(self._withdraw, message, withdrawn)
        else:
            before, self._before = self._before, anyio.Event()
            tasks.start_soon(self._pass_on, message, before, self._before, tasks)

    def _turn_away(self, message: Message, tasks: TaskGroup) -> None:
        what = f"{MAX_UNDER_WAY} messages are under way"
        if message.is_request:
            full = Failed("too_many", f"{what}: wait for answers")
            tasks.start_soon(self._writer.write, full.line(message.raw_id))
        else:
            self._tell(f"left out a message of the client: {what}")

    async def _ask(
        self, id_: RequestId, own: _UnderWay, before: anyio.Event | None, tasks: TaskGroup
    ) -> None:
        """Ask the node for the answer to a request, and pass it on."""
        try:
            with own.scope:
                if before is not None:
                    await before.wait()
                try:
                    await self._exchange(own)
                except Failed as failed:
                    await self._failed(own, failed)
        finally:
            own.arrived.set()
            self._under_way -= 1
            if self._requests.get(id_) is own:
                del self._requests[id_]

    async def _failed(self, own: _UnderWay, failed: Failed) -> None:
        if own.listens:
            answer = await listen_again(self._endpoint, own.message, self._writer.write)
            await self._writer.write(answer.line)
        elif not own.withdrawn:
            await self._writer.write(failed.line(own.message.raw_id))

    async def _exchange(self, own: _UnderWay) -> None:
        message = own.message
        if message.method == "initialize":
            self._session.begins(message)
        forgotten = self._headers(message)
        if await self._try(own, forgotten):
            return
        await self._session.reopen(forgotten)
        if not await self._try(own, self._headers(message)):
            raise Failed("no_session", "the node forgets its sessions: start the client again")

    async def _try(self, own: _UnderWay, headers: dict[str, str]) -> bool:
        """Ask once; say whether the node still knew the session."""
        message = own.message
        async with self._endpoint.ask("POST", message.line, headers) as response:
            own.arrived.set()
            if response.status_code == httpx2.codes.NOT_FOUND and "mcp-session-id" in headers:
                return False
            if not is_stream(response):
                answer = await answer_of(response, message.raw_id)
                if await self._has_learned(message, answer, headers):
                    return await self._try(own, self._headers(message))
                await self._answer(own, response, answer)
                return True
            async with aclosing(messages_of(response)) as found:
                async for one in found:
                    if one.is_answer:
                        await self._answer(own, response, one)
                        return True
                    own.listens = message.method == LISTEN
                    await self._writer.write(one.line)
        raise Failed("node_lost", "the node ended its answer before the result", may_have_run=True)

    async def _has_learned(
        self, message: Message, answer: Message, headers: dict[str, str]
    ) -> bool:
        """Look at the list of tools where a call, which has not run, lacked headers of a schema.

        Say whether the call has others now.
        """
        if message.method != "tools/call" or error_code(answer) != MISMATCH:
            return False
        listing = message.listing()
        async with self._endpoint.ask("POST", listing.line, listing.headers()) as response:
            if not is_stream(response):
                self._parameters.learn(await answer_of(response, listing.raw_id))
            else:
                async with aclosing(messages_of(response)) as found:
                    async for one in found:
                        self._parameters.learn(one)
        return self._headers(message) != headers

    async def _answer(self, own: _UnderWay, response: httpx2.Response, answer: Message) -> None:
        if own.message.method == "initialize":
            self._session.opened(response, answer)
        elif own.message.method == "tools/list":
            self._parameters.learn(answer)
        await self._writer.write(answer.line)

    async def _pass_on(
        self, message: Message, before: anyio.Event | None, done: anyio.Event, tasks: TaskGroup
    ) -> None:
        """Bring the node a message that has no answer, after those that came before it."""
        try:
            if before is not None:
                await before.wait()
            await self._post(message)
            if message.method == _INITIALIZED and not self._listens:
                self._listens = True
                tasks.start_soon(self._session.listen)
        except Failed as failed:
            self._tell(f"{message.method or 'an answer'} did not reach the node: {failed}")
        finally:
            done.set()
            self._under_way -= 1

    async def _withdraw(self, message: Message, own: _UnderWay | None) -> None:
        """Withdraw a request: by closing it, or by the client's own words in a session."""
        try:
            if own is not None:
                own.withdrawn = True
                if own.message.version is not None:
                    own.scope.cancel()
                    return
                with anyio.move_on_after(_HEAD):
                    await own.arrived.wait()
            if self._session.is_open:
                await self._post(message)
        except Failed as failed:
            self._tell(f"a request is not withdrawn: {failed}")
        finally:
            self._under_way -= 1

    async def _post(self, message: Message) -> None:
        async with self._endpoint.ask("POST", message.line, self._headers(message)):
            pass

    def _headers(self, message: Message) -> dict[str, str]:
        own = {**message.headers(), **self._parameters.of(message)}
        return own or ({} if message.method == "initialize" else self._session.headers)

    async def _say_good_bye(self) -> None:
        """Withdraw what is under way, close the session, and write what is still to be written."""
        asked = [own.message for own in self._requests.values() if own.message.version is None]
        with suppress(Failed):
            async with anyio.create_task_group() as tasks:
                for message in asked if self._session.is_open else ():
                    tasks.start_soon(self._withdraw_at_end, message)
            await self._session.close()
        for own in self._requests.values():
            own.scope.cancel()
        await self._writer.aclose()

    async def _withdraw_at_end(self, message: Message) -> None:
        params = {"requestId": message.raw_id, "reason": "the client has gone"}
        words = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        body = msgspec.json.encode(words)
        with suppress(Failed):
            async with self._endpoint.ask("POST", body, self._session.headers, patience=0):
                pass

    async def _end_by_signal(self, scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for _ in signals:
                scope.cancel()
                return

    async def _end_by_output(self, scope: anyio.CancelScope) -> None:
        await self._writer.broken.wait()
        scope.cancel()


def run(place: Place, tell: Callable[[str], None]) -> None:
    """Pump between standard input and output and a node, in an event loop of its own."""
    anyio.run(Pump(place, tell).run, backend="asyncio")
