"""A member made by hand that keeps its link, whatever else it does."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.base.errors import DecryptError
from tests.integration.conftest import SECRET
from tests.plugins.mesh.wire import Closed, Member

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Attacker", "attacker"]

Heard = tuple[dict[str, Any], Any]
"""A header and its payload."""


@attrs.define
class Attacker:
    """Sends one frame at a time, from any number of tasks, and answers heartbeats.

    Attributes:
        member: the member by hand.
        hears: is given every frame that comes, but for heartbeats.
        closed: how the hub closed the link, once it has.
    """

    member: Member
    hears: Callable[[dict[str, Any], Any], None] = lambda line, payload: None
    closed: Closed | None = None
    _sending: anyio.Lock = attrs.field(factory=anyio.Lock)

    async def send(self, type_: str, payload: object, **fields: Any) -> None:
        """Send a frame. Raises: Closed."""
        async with self._sending:
            await self.member.send(type_, payload, **fields)

    async def answer(self, asked: dict[str, Any], head: dict[str, Any], body: bytes) -> None:
        """Answer a request for a model with this head, which may be wrong in any way."""
        about = {"id": asked["id"], "re": True, "seq": 0, "fin": True}
        acknowledged = {"ack": asked.get("seq", 0) + 1, "limit": 2**40}
        payload = b"m" + json.dumps(head).encode() + b"\n" + body
        await self.send("data", payload, **about, **acknowledged)

    async def run(self) -> None:
        """Read until the link closes."""
        try:
            while True:
                try:
                    line, payload = await self.member.receive()
                except DecryptError:
                    continue  # another node's, sealed under keys that only it would have
                if line["type"] == "heartbeat":
                    await self.send("heartbeat_ack", {"t": payload.get("t")}, lane=0)
                else:
                    self.hears(line, payload)
        except Closed as closed:
            self.closed = closed


@asynccontextmanager
async def attacker(port: int, name: str = "mallory", **changes: Any) -> AsyncIterator[Attacker]:
    """Join as a member, with changes to its record."""
    async with await Member.join(port, name, secret=SECRET, **changes) as member:
        made = Attacker(member)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(made.run)
            yield made
            tasks.cancel_scope.cancel()
