"""Addresses of the WebSocket transport, taken apart."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

__all__ = ["WebSocketAddress", "host_port"]


class WebSocketAddress(msgspec.Struct, frozen=True):
    """An address taken apart. ``target`` has no credentials, and may be shown."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, address: str) -> WebSocketAddress:
        """Raises: ValueError, whose words repeat nothing of the address."""
        wrong = ValueError("not an address like ws://host:port or wss://host:port")
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in ("ws", "wss") or not host:
            raise wrong
        secure = parts.scheme == "wss"
        return cls(
            secure, host, (443 if secure else 80) if port is None else port, parts.path or "/"
        )

    @property
    def target(self) -> str:
        return host_port((self.host, self.port))

    def at(self, name: tuple[Any, ...]) -> str:
        """Return the address of a socket that was bound for this one."""
        return f"{'wss' if self.secure else 'ws'}://{host_port(name)}"


def host_port(name: tuple[Any, ...] | None) -> str:
    """Return the name of a socket as ``host:port``."""
    if not name:
        return "an end that is gone"
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
