"""The body of a request on its way in, kept to what it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.spi import ByteBudget

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive

    from clawmatrix_http.protocol import HttpConnection

__all__ = ["BodyTooLarge", "LimitedBody"]


class BodyTooLarge(Exception):
    """A body went over its limit, or over that of all bodies together."""


class LimitedBody:
    """A ``receive`` of ASGI that counts what it returns, and raises once a body is over a limit.

    A request without a body costs nothing more. ``release`` has to be called in the end.
    """

    __slots__ = ("_bodies", "_connection", "_held", "_limit", "_over", "_receive", "_taken")

    def __init__(
        self,
        receive: Receive,
        limit: int,
        bodies: ByteBudget,
        connection: HttpConnection,
        over: Callable[[bool], Awaitable[None]],
    ) -> None:
        """Make one.

        Args:
            receive: the server's.
            limit: bytes a body may have.
            bodies: counts the bytes of all bodies.
            connection: whose request it is, which is given up where others need its memory.
            over: awaited before each ``BodyTooLarge`` that is raised: with True where it is the
                bodies of all requests that are too large.
        """
        self._receive = receive
        self._limit = limit
        self._bodies = bodies
        self._connection = connection
        self._over = over
        self._taken = 0
        self._held: ByteBudget.Held | None = None

    async def __call__(self) -> Message:
        """Return the next part. Raises: BodyTooLarge."""
        message = await self._receive()
        size, whole = len(message.get("body", b"")), not message.get("more_body", False)
        self._taken += size
        if self._taken > self._limit:
            await self._over(False)
            raise BodyTooLarge
        held = self._held
        if not size:
            if held is not None and whole:
                held.finish()
            return message
        if held is None:
            connection = self._connection
            held = self._held = self._bodies.hold(connection.owner, connection.make_room)
        try:
            self._bodies.add(held, size, whole=whole)
        except ByteBudget.Exceeded:
            if not held.given_up:  # its connection is closed already, where it was
                await self._over(True)
            raise BodyTooLarge from None
        return message

    def release(self) -> None:
        """Count it no more."""
        if self._held is not None:
            self._bodies.release(self._held)
