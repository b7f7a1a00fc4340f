"""From addresses to transports, and what a bad address in the configuration is told."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clawmatrix_core.base.errors import DialError, StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.wire.transport import Listener, Transport

__all__ = ["bind", "check_address", "find_transport"]


def check_address(address: str) -> None:
    """Refuse what no transport can take. Raises: ValueError, for people."""
    if not address.isprintable() or " " in address:
        raise ValueError("an address has no spaces in it")
    scheme, separator, rest = address.partition("://")
    if not scheme or not separator or not rest:
        raise ValueError(f'"{address}" is not an address like wss://host:port')
    try:
        _ = urlsplit(address).port
    except ValueError as error:
        raise ValueError(f'"{address}" is not an address: {error}') from None


def find_transport(node: Node, address: str) -> Transport:
    """Return what connects to an address. Raises: DialError."""
    transport = node.transports.get(address.partition("://")[0])
    if transport is None:
        known = ", ".join(sorted(node.transports)) or "none"
        raise DialError(f"there is no transport for {address} (there are: {known})")
    return transport


async def bind(node: Node, address: str, enter: Callable[..., Awaitable[Listener]]) -> Listener:
    """Listen at an address, for as long as the scope lasts. Raises: StartError."""
    try:
        transport = find_transport(node, address)
    except DialError as error:
        raise StartError(f"mesh: {error}", exit_code=2) from None
    try:
        return await enter(transport.listen(address))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken" if taken else f"cannot be bound: {error.strerror or error}"
        raise StartError(
            f"mesh: {address} {why} (set [mesh] listen to another address)",
            exit_code=5 if taken else 1,
        ) from None
