"""One server: started, asked what it has, and started again when it ends."""

from __future__ import annotations

import logging
import math
import shlex
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Literal

import anyio
import attrs

from clawmatrix_core import RateLimitedLogger
from clawmatrix_core.spi import Bell, stray
from clawmatrix_mcp.mounting.backing_off import BackOff
from clawmatrix_mcp.mounting.contents import KINDS, Contents
from clawmatrix_mcp.mounting.failures import words_of
from clawmatrix_mcp.mounting.metering import Meter, ServerFailed
from clawmatrix_tool_proxy.api import ToolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from clawmatrix_core import JSON, Node
    from clawmatrix_mcp.mounting.config import ServerConfig
    from clawmatrix_mcp.mounting.connection import Connection
    from clawmatrix_mcp.mounting.contents import Kind
    from clawmatrix_mcp.mounting.relayed_progress import Report

__all__ = ["Mounted", "State"]

_PATIENCE: Final = 10.0
"""Seconds that a request waits for a server that starts."""
_REST: Final = 0.5
"""Seconds between two looks at a list that a server says has changed."""
_LOG: Final = 10.0
"""Seconds in which a line of a server is logged once."""


@attrs.frozen
class State:
    """How a server is.

    Attributes:
        word: "starting", "ready", or "restarting", which is after it ended.
        why: how it ended, or what is wrong with it; empty while nothing is.
        due: when it starts again, on the node's clock.
    """

    word: Literal["starting", "ready", "restarting"]
    why: str = ""
    due: float = 0.0


class Mounted:
    """A server of the configuration.

    Attributes:
        name: what it is called.
        config: its table.
        owner: what its definitions are pinned to: its name with its command or address.
        state: how it is.
        protocol: the version of MCP that it speaks; empty until it is ready.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        config: ServerConfig,
        *,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Make one; ``pause`` waits before it starts again."""
        self.name, self.config = name, config
        what = shlex.join(config.argv) if config.url is None else config.url
        self.owner = f"server {name} {what}"
        self.state, self.protocol = State("starting"), ""
        self._node, self._pause = node, pause
        self._log = node.logger("mcp")
        self._lines = RateLimitedLogger(self._log, seconds=_LOG, clock=node.clock.now)
        self._contents = Contents()
        self._connection: Connection | None = None
        self._bell = Bell()
        self._callbacks: list[Callable[[], None]] = []
        self._stale: set[Kind] = set()
        self._lost = anyio.Event()
        self._scope = anyio.CancelScope()

    def __repr__(self) -> str:
        return f"<Mounted {self.name} {self.state.word}>"

    @property
    def tools(self) -> Sequence[JSON]:
        """Its tools as it lists them."""
        return self._contents.tools

    @property
    def resources(self) -> Sequence[JSON]:
        """Its resources as it lists them."""
        return self._contents.resources

    @property
    def templates(self) -> Sequence[JSON]:
        """Its templates of resources as it lists them."""
        return self._contents.templates

    @property
    def prompts(self) -> Sequence[JSON]:
        """Its prompts as it lists them."""
        return self._contents.prompts

    def when_changed(self, call: Callable[[], None]) -> None:
        """Have something called when its state or its lists are others."""
        self._callbacks.append(call)

    async def request(
        self,
        method: str,
        params: Mapping[str, JSON],
        *,
        progress: Report | None = None,
    ) -> dict[str, JSON]:
        """Ask the server, and return its result as it came. Cancelling this cancels it there.

        One that starts is waited for, ten seconds at most.

        Raises: ToolError ``server_not_running``, where nothing was asked; ``server_lost``, where
            the server ended meanwhile; ``bad_answer``; ``mcpCODE`` with the number of an error of
            the server's, such as ``mcp-32602``.
        """
        connection = await self._ready()
        try:
            return await connection.request(method, params, progress)
        except ToolError as error:
            if error.code == "server_lost" and self._connection is connection:
                self._connection = None  # the next request waits for another
            words = f"{self.name}: {error}"
            raise ToolError(words, error.code, began=error.began) from None

    def end(self) -> None:
        """Have it end, for good."""
        self._scope.cancel()

    async def run(self) -> None:
        """Keep the server running, until ``end`` or a cancellation."""
        with self._scope:
            back_off = BackOff()
            while True:
                self._become(State("starting", self.state.why))
                began, why = self._node.clock.now(), ""
                try:
                    await self._serve()
                except BaseException as error:
                    if (fault := stray(error)) is None:
                        raise
                    why = words_of(fault)
                finally:
                    self._connection = None
                pause = back_off.after(self._node.clock.now() - began)
                self._log.warning("%s: %s; it starts again in %g s", self.name, why, pause)
                self._become(State("restarting", why, self._node.clock.now() + pause))
                await self._pause(pause)

    async def _serve(self) -> None:
        """Run the server to its end. Raises: what ends it."""
        from clawmatrix_mcp.mounting.opening import load_sdk  # most nodes do without

        await load_sdk()
        self._lost = anyio.Event()
        limit = anyio.CancelScope(deadline=anyio.current_time() + self.config.start_timeout)
        with limit:
            async with AsyncExitStack() as stack:
                connection = await self._connect(stack)
                self._contents = await connection.contents()
                limit.deadline = math.inf
                await self._work(connection)
        raise ServerFailed(f"it did not start within {self.config.start_timeout:g} s")

    async def _work(self, connection: Connection) -> None:
        """Take requests, and follow changes, until the server ends. Raises: ServerFailed."""
        self._connection, self.protocol = connection, connection.protocol
        self._become(State("ready"))
        async with anyio.create_task_group() as group:
            group.start_soon(connection.listen, self._note_change)
            group.start_soon(self._look_again, connection)
            await self._lost.wait()
            raise ServerFailed("its session is lost")

    async def _connect(self, stack: AsyncExitStack) -> Connection:
        from clawmatrix_mcp.mounting.opening import opened

        return await opened(
            stack,
            self._node,
            self.config,
            Meter(self._node.clock.now),
            lost=lambda: self._lost.set(),
            changed=self._note_change,
            noted=self._note,
        )

    async def _ready(self) -> Connection:
        with anyio.move_on_after(_PATIENCE):
            while self._connection is None:
                await self._bell.wait()
        if self._connection is None:
            words = f"{self.name} does not run, and was not asked: {self.told()}"
            raise ToolError(words, "server_not_running", began=False)
        return self._connection

    def told(self) -> str:
        """Say how it is, in words."""
        state = self.state
        if state.word != "restarting":
            return f"{state.word} ({state.why})" if state.why else state.word
        left = max(0.0, state.due - self._node.clock.now())
        return f"failed ({state.why}), starts again in {left:.0f} s"

    def _become(self, state: State) -> None:
        self.state = state
        self._bell.ring()
        self._tell()

    def _tell(self) -> None:
        for call in tuple(self._callbacks):
            call()

    def _note(self, words: str) -> None:
        self._lines.log(logging.INFO, words, "%s: %s", self.name, words)

    def _note_change(self, kind: Kind) -> None:
        self._stale.add(kind)
        self._bell.ring()

    async def _look_again(self, connection: Connection) -> None:
        """Ask again for lists that changed, one after the other, and not more often than that."""
        while True:
            while not self._stale:
                await self._bell.wait()
            kind = self._stale.pop()
            try:
                things = await connection.list(kind, KINDS[kind].most)
            except ToolError as error:  # it may go on with what it had
                self._note(f"its {kind} cannot be listed: {error}")
                things = getattr(self._contents, kind)
            if things != getattr(self._contents, kind):
                self._contents = self._contents.with_list(kind, things)
                self._tell()
            await anyio.sleep(_REST)
