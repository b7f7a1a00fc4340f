"""Connections that behave in one way only."""

from __future__ import annotations

import anyio
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.wire.transport import Connection


class Flood(Connection):
    """A connection that has a number of messages ready, and then is gone."""

    remote = "flood"

    def __init__(self, count: int) -> None:
        self.left = count

    async def send(self, message: bytes) -> None:
        await anyio.sleep_forever()

    async def receive(self) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise ConnectionLost("dried up")
        return b"drop"

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await checkpoint()


class Willing(Flood):
    """A connection that is silent, and takes some messages at once and then none."""

    def __init__(self, room: int) -> None:
        super().__init__(0)
        self.room = room
        self.at_once: list[bytes] = []

    def send_now(self, message: bytes) -> bool:
        if self.room:
            self.room -= 1
            self.at_once.append(message)
            return True
        return False

    async def receive(self) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError


class Slow(Flood):
    """A connection that is gone, and closes only when it is let."""

    def __init__(self) -> None:
        super().__init__(0)
        self.let = anyio.Event()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.let.wait()


class OneWay(Flood):
    """A connection that is silent, and that does not take what is sent."""

    def __init__(self) -> None:
        super().__init__(0)

    async def send(self, message: bytes) -> None:
        raise ConnectionLost("broken pipe")

    async def receive(self) -> bytes:
        await anyio.sleep_forever()
        raise AssertionError
