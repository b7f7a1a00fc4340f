"""Whether a text is an address, and which transport connects to it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clawmatrix_core import DialError

if TYPE_CHECKING:
    from clawmatrix_core import Node, Transport

__all__ = ["check_address", "find_transport"]


def check_address(address: str) -> None:
    """Check that a transport can take an address. Raises: ValueError, with words for people."""
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
