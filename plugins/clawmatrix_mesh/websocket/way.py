"""The way to where an address leads: a socket that is connected, or a proxy that connects."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import attrs
from websockets.exceptions import InvalidProxy
from websockets.proxy import parse_proxy

from clawmatrix_core import DialError
from clawmatrix_core.spi import TcpAddress, TcpDialler
from clawmatrix_mesh.websocket.address import host_port

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import Objection
    from clawmatrix_mesh.websocket.address import WebSocketAddress

__all__ = ["Way", "Ways"]

_PROXY_SHARE = 0.5
"""The share of the time for a connection that the one to the proxy may take."""
_LOOKED_UP_HERE = ("socks4", "socks5")
"""Schemes of proxies that are told numbers; socks4a and socks5h look names up themselves."""


@attrs.frozen
class Way:
    """A socket, or a proxy by its number, so that the library has no name to look up.

    Attributes:
        sock: is connected to where the address leads; None where a proxy connects.
        proxy: the proxy's address.
        proxy_name: its name, where its certificate is checked; else None.
        through: the address that it is to connect to, None for the one that is dialled.
        target_name: the name that the target's certificate is checked for, None without TLS.
    """

    sock: socket.socket | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    proxy_name: str | None = None
    through: str | None = None
    target_name: str | None = None

    def settings(self) -> dict[str, Any]:
        """Return the settings of the library for it, but for the socket."""
        names = {"proxy_server_hostname": self.proxy_name, "server_hostname": self.target_name}
        return {"proxy": self.proxy} | {
            key: name for key, name in names.items() if name is not None
        }


class Ways:
    """Finds ways: looks names up, asks whether to go there, and connects.

    Names that other nodes advertise have threads of their own, so that these fill up no others.
    """

    def __init__(
        self, proxy: str | None, tcp: TcpDialler | None = None, strange: TcpDialler | None = None
    ) -> None:
        """Make it; ``strange`` dials what others advertise."""
        self._proxy = proxy
        self._tcp = tcp or TcpDialler()
        self._strange = strange or TcpDialler.for_strangers()

    async def find(
        self, address: WebSocketAddress, objection: Objection | None, limit: float
    ) -> Way:
        """Return the way to an address, within ``limit`` seconds.

        Raises: DialError, where there is an objection to every address, or the proxy cannot be
            used; OSError; InvalidProxy.
        """
        if objection is None:
            if self._proxy is None:
                return Way(await self._tcp.open(address.host, address.port, limit=limit))
            return await self._through(self._proxy, address, None, limit)
        deadline = anyio.current_time() + limit
        found = await self._strange.look_up(address.host, address.port, limit=limit)
        permitted = _permitted(found, objection, address)
        left = deadline - anyio.current_time()
        if self._proxy is None:
            return Way(await self._strange.open_one(permitted, limit=left))
        # A proxy connects to one address. Fewer of them have IPv6 than have IPv4.
        first = min(permitted, key=lambda one: one.ip.version)
        return await self._through(self._proxy, address, first, left)

    async def find_own(self, address: WebSocketAddress, limit: float) -> list[TcpAddress]:
        """Return where to listen; the host ``*`` is all addresses of both families.

        Raises: OSError.
        """
        if address.host == "*":
            both = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))
            return [TcpAddress(family, (host, address.port)) for family, host in both]
        return await self._tcp.look_up(address.host, address.port, limit=limit)

    async def _through(
        self, proxy: str, address: WebSocketAddress, at: TcpAddress | None, limit: float
    ) -> Way:
        try:
            parsed, parts = parse_proxy(proxy), urlsplit(proxy)
        except ValueError:  # its words repeat what may be a part of the password
            raise InvalidProxy("", "its host and port are not right") from None
        _require_socks(parsed.scheme)
        deadline = anyio.current_time() + limit
        best = await self._reach(parsed.host, parsed.port, limit * _PROXY_SHARE)
        if at is None and parsed.scheme in _LOOKED_UP_HERE:
            left = deadline - anyio.current_time()
            [at, *_] = await self._tcp.look_up(address.host, address.port, limit=left)
        user, separator, _ = parts.netloc.rpartition("@")
        place = host_port(best.name)
        return Way(
            proxy=parts._replace(netloc=f"{user}{separator}{place}").geturl(),
            proxy_name=parsed.host if parsed.scheme == "https" else None,
            through=None if at is None else address.at(at.name),
            target_name=address.host if address.secure and at is not None else None,
        )

    async def _reach(self, host: str, port: int, limit: float) -> TcpAddress:
        """Return the address of a proxy that accepts, so that a dead one is blamed itself.

        The library tries one address. Raises: DialError.
        """
        try:
            found = await self._tcp.look_up(host, port, limit=limit)
            with await self._tcp.open_one(found, limit=limit) as trial:
                name = trial.getpeername()
        except OSError as error:
            why = f"it does not answer within {limit:g} s"
            if not isinstance(error, TimeoutError):
                why = error.strerror or type(error).__name__
            shown = host_port((host, port))
            text = f"the proxy {shown} is not reached: {why} (see [mesh] proxy)"
            raise DialError(text, reason="proxy_down") from None
        return next((one for one in found if one.name[:2] == name[:2]), found[0])


def _require_socks(scheme: str) -> None:
    if scheme.startswith("socks") and find_spec("python_socks") is None:
        text = "a SOCKS proxy needs the package python-socks: install it beside ClawMatrix"
        raise DialError(text, reason="proxy_package")


def _permitted(
    found: Iterable[TcpAddress], objection: Objection, address: WebSocketAddress
) -> list[TcpAddress]:
    why = ""
    permitted = []
    for one in found:
        objected = objection(one.ip)
        if objected is None:
            permitted.append(one)
        else:
            why = why or f"{one.ip} is {objected}"
    if not permitted:
        text = f"{address.target} is not dialled: {why} (see [mesh] dial)"
        raise DialError(text, reason="not_permitted")
    return permitted
