"""Whether a text is an address, and which transport connects to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clawmatrix_core import DialError, redact, shown_address

if TYPE_CHECKING:
    from clawmatrix_core import Node, Transport

__all__ = [
    "check_address",
    "check_advertised",
    "find_transport",
    "report_transport",
    "with_address",
    "without_address",
]

PATH_LENGTH = 64
"""Characters that the path of an advertised address may have."""
ADDRESS_LENGTH = 256

_PATH = re.compile(rf"[A-Za-z0-9/_-]{{0,{PATH_LENGTH}}}", re.ASCII)


def check_address(address: str) -> None:
    """Check that a transport can take an address. Raises: ValueError, with words for people."""
    if not address.isprintable() or " " in address:
        raise ValueError("an address has no spaces in it")
    scheme, separator, rest = address.partition("://")
    if not scheme or not separator or not rest:
        shown = shown_address(address)
        raise ValueError(f'"{shown}" is not an address like wss://host:port')
    try:
        _ = urlsplit(address).port
    except ValueError:  # its words repeat the port, which may be a part of a password
        raise ValueError(
            f'"{shown_address(address)}" is not an address: its host and port are not right'
        ) from None


def check_advertised(address: str) -> None:
    """Check the text of an advertised address. Raises: ValueError, with words for people."""
    if len(address) > ADDRESS_LENGTH:
        raise ValueError(f"an address has at most {ADDRESS_LENGTH} characters")
    check_address(address)
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise ValueError("an advertised address has no user and password")
    if "?" in address or "#" in address:
        raise ValueError("an advertised address has no query and no fragment")
    if not _PATH.fullmatch(parts.path):
        raise ValueError(
            f"the path of an advertised address has at most {PATH_LENGTH} characters,"
            " and these are letters, digits, / _ and -"
        )


def find_transport(node: Node, address: str) -> Transport:
    """Return what connects to an address. Raises: DialError."""
    transport = node.transports.get(address.partition("://")[0])
    if transport is None:
        known = ", ".join(sorted(node.transports)) or "none"
        why = _why_not_here(node, address.partition("://")[0])
        raise DialError(
            f"there is no transport for {shown_address(address)} (there are: {known}){why}"
        )
    return transport


def report_transport(node: Node, address: str, error: Exception, what: str) -> None:
    """Count what a connection let out against the plugin whose transport made it."""
    owner = node.owner_of_scheme(address.partition("://")[0]) or "mesh"
    node.hooks.report(owner, what, error, serving=True)


def with_address(address: str, text: str) -> str:
    """Return what went wrong at an address, with the address in it once."""
    return text if address in text else f"{address}: {text}"


def _why_not_here(node: Node, scheme: str) -> str:
    """Return what is known of a plugin with the name of a scheme that nobody serves."""
    info = next((one for one in node.plugins.list() if one.name == scheme), None)
    if info is None:
        return ": add the plugin that has one to plugins = [...]"
    if info.reason is None:
        return f": the plugin {scheme} has none"
    return f": the plugin {scheme} is {info.state}: {info.reason}"


def without_address(error: object, address: str) -> str:
    """Return the words of an error, with nothing secret of the address that was dialled."""
    return redact(str(error).replace(address, shown_address(address)))
