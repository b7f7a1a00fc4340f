"""What tests of invitations share: a token from a running node, and a guest that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.wire.transport import Connection, Transport
from clawmatrix_mesh.invite.joining import Welcomed, join_mesh
from clawmatrix_mesh.invite.token import Token
from clawmatrix_mesh.websocket.transport import WebSocketTransport

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.wire.transport import Listener

__all__ = ["Guest", "Tap", "ask", "invite"]


async def ask(node: Node, method: str, **params: Any) -> Any:
    """Call a method of the control socket."""
    [call] = [one.call for one in node.control_methods() if one.name == method]
    assert call is not None
    return await call(params)


async def invite(node: Node, expires: float = 60.0, addresses: list[str] | None = None) -> Token:
    made = await ask(node, "invite.add", expires=expires, addresses=addresses)
    return Token.decode(made["token"])


@attrs.define
class Guest:
    """A machine that is about to be a node."""

    name: str = "guest"
    identity: Identity = attrs.field(factory=Identity.generate)

    async def join(self, token: Token, transport: Transport | None = None) -> Welcomed:
        transport = transport or WebSocketTransport()
        return await join_mesh(token, NodeId(self.name), self.identity, transport, limit=5.0)


@attrs.define
class Tap(Transport):
    """Somebody on the way, at the level of messages: sees all, and may alter.

    ``alter`` is given each message and its place among all, both ways counted together.
    """

    alter: Callable[[int, bytes], bytes] = lambda _, message: message
    seen: list[bytes] = attrs.field(factory=list)
    inner: Transport = attrs.field(factory=WebSocketTransport)
    schemes = ("ws", "wss")

    async def dial(self, address: str) -> Connection:
        return _Tapped(await self.inner.dial(address), self)

    def listen(self, address: str) -> AbstractAsyncContextManager[Listener]:
        return self.inner.listen(address)

    def pass_on(self, message: bytes) -> bytes:
        self.seen.append(message)
        return self.alter(len(self.seen) - 1, message)


class _Tapped(Connection):
    def __init__(self, inner: Connection, tap: Tap) -> None:
        self.remote = inner.remote
        self._inner = inner
        self._tap = tap

    async def send(self, message: bytes) -> None:
        await self._inner.send(self._tap.pass_on(message))

    async def receive(self) -> bytes:
        return self._tap.pass_on(await self._inner.receive())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._inner.close(code, reason)
