"""What a transport has to be: something that dials, listens and carries whole messages.

A transport knows nothing of nodes, keys or frames. It is held to the suite in
``clawmatrix_core.acceptance``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import DialError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

__all__ = ["Connection", "Listener", "Objection", "Transport"]

Objection = Callable[[IPv4Address | IPv6Address], str | None]
"""Returns the objection to a connection to a number, None for no objection."""


class Connection(ABC):
    """An open, ordered, reliable pipe of whole binary messages.

    One task sends and one receives, at the same time. Once the connection is gone both
    raise ConnectionLost, for ever.
    """

    remote: str
    """The other end's address, for logs, status and limits. It need not be unique.

    The part before the last colon is the source that limits on strangers go by.
    """

    @abstractmethod
    async def send(self, message: bytes) -> None:
        """Send one message; return when the transport can take another.

        After a send that was cancelled the other end gets the message as a whole, or not at all,
        or the connection is lost.

        Raises: ConnectionLost.
        """

    def send_now(self, message: bytes) -> bool:
        """Send one message if that needs no wait; False where it was not taken.

        Called only while no ``send`` is under way, so that order is kept. A transport that
        cannot do it leaves it at False; one that can saves each message a change of task.
        """
        return False

    @abstractmethod
    async def receive(self) -> bytes:
        """Return the next message.

        Raises: ConnectionLost, with the close code the other end gave if it gave one.
        """

    def limit(self, size: int) -> None:  # noqa: B027 - a transport need not do it
        """Take no message of more than this many bytes from now on; one closes the connection.

        Called while the other end is a stranger, so that it cannot fill memory. A transport
        that cannot do it lets it be: what comes out of ``receive`` is measured again.
        """

    def allow(self, size: int | None) -> None:  # noqa: B027 - a transport need not do it
        """Read this many bytes more of the other end, or any number where the size is None.

        A transport may read a bounded number of bytes of a stranger. The node allows it more as
        the handshake goes on, and any number once the other end has proved itself.
        """

    @abstractmethod
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close; returns within a second or two whatever the other end does. Idempotent."""


class Listener(ABC):
    """A bound socket, or whatever a transport has in its place."""

    addresses: tuple[str, ...]
    """The addresses actually bound, as ``dial`` would take them."""

    @abstractmethod
    async def accept(self) -> Connection:
        """Return the next connection that was made. Cancelling it loses none.

        An exception counts as a fault of the transport; the node waits a little and calls again.
        """


class Transport(ABC):
    """Makes connections for the address schemes it names."""

    schemes: tuple[str, ...]
    """For instance ``("ws", "wss")``."""

    @abstractmethod
    async def dial(self, address: str) -> Connection:
        """Connect to an address. Raises: DialError, with a message a person can act on."""

    async def dial_advertised(self, address: str, objection: Objection) -> Connection:
        """Connect to an address that another node advertises, which may have made it up.

        A transport over IP looks the name up once, and connects to none of its numbers to which
        there is an objection. One whose addresses name something on this machine leaves the
        method out: it takes no such addresses, and the nodes behind them are reached over relays.

        Raises: DialError.
        """
        text = f"addresses with {address.partition(':')[0]}: that others advertise are not dialled"
        raise DialError(text, reason="not_permitted")

    @abstractmethod
    def listen(self, address: str) -> AbstractAsyncContextManager[Listener]:
        """Bind, on entering; stop listening and close accepted connections, on leaving.

        Raises: OSError on entering, where the address cannot be bound.
        """
