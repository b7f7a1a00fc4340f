"""Addresses of the WebSocket transport, taken apart."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import attrs

__all__ = ["WebSocketAddress", "host_port"]


@attrs.frozen
class WebSocketAddress:
    """An address taken apart. ``target`` has no credentials, and may be shown."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, address: str) -> WebSocketAddress:
        """Raises: ValueError."""
        parts = urlsplit(address)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError("not an address like ws://host:port or wss://host:port")
        secure = parts.scheme == "wss"
        port = (443 if secure else 80) if parts.port is None else parts.port
        return cls(secure, parts.hostname, port, parts.path or "/")

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
