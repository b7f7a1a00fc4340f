"""Connections to HTTP servers: addresses, TLS, and the proxies of the environment."""

from __future__ import annotations

import base64
import ssl
import sys
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import anyio
import attrs
import msgspec
from anyio.abc import SocketStream
from anyio.streams.tls import TLSStream

from clawmatrix_core import ExchangeFailure
from clawmatrix_core.spi import TcpDialler
from clawmatrix_model_proxy.http.asyncio_stream import AsyncioStream
from clawmatrix_model_proxy.http.connection import HttpConnection
from clawmatrix_model_proxy.http.reader import BrokenAnswer, ResponseReader

if TYPE_CHECKING:
    import socket

    from anyio.abc import ByteStream

__all__ = ["HttpAddress", "HttpDialler"]

_SAFE = "/%:@!$&'()*+,;=~"
_PORTS = {"http": 80, "https": 443}


class HttpAddress(msgspec.Struct, frozen=True):
    """Where an HTTP server is.

    Attributes:
        scheme: ``http`` or ``https``.
        host: its name or number, without brackets.
        port: its port.
        path: the path of the URL and its query, as they travel.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> HttpAddress:
        """Raises: ValueError, where it is no URL of an HTTP server; it repeats nothing of it."""
        wrong = ValueError("not an address like http://host:port")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            host = host if host is None or host.isascii() else host.encode("idna").decode()
        except ValueError:
            raise wrong from None
        if parts.scheme not in _PORTS or not host:
            raise wrong
        port = port or _PORTS[parts.scheme]
        path = quote(parts.path, safe=_SAFE) or "/"
        query = f"?{quote(parts.query, safe=_SAFE + '?')}" if parts.query else ""
        return cls(parts.scheme, host, port, path + query)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What connections are kept by."""
        return (self.scheme, self.host, self.port)

    @property
    def host_port(self) -> str:
        """Host and port, as CONNECT names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def authority(self) -> str:
        """The Host header."""
        named = self.host_port
        return named.rpartition(":")[0] if self.port == _PORTS[self.scheme] else named


@attrs.frozen
class _Proxy:
    address: HttpAddress
    credentials: str | None = attrs.field(repr=False)

    @classmethod
    def parse(cls, url: str) -> _Proxy:
        whole = url if "://" in url else f"http://{url}"
        try:
            address = HttpAddress.parse(whole)
        except ValueError as error:
            raise ValueError(f"the proxy of the environment is {error}") from None
        parts = urlsplit(whole)
        credentials = None
        if parts.username is not None:
            plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            credentials = "Basic " + base64.b64encode(plain.encode()).decode()
        return cls(address, credentials)


class HttpDialler:
    """Opens connections; each within a limit of seconds, TLS and proxy included.

    Attributes:
        limit: the limit, from the next connection on.
    """

    def __init__(
        self, limit: float, *, proxy_from_env: bool = False, tcp: TcpDialler | None = None
    ) -> None:
        """Reads the certificates of the system, which takes long enough to be felt."""
        self.limit = limit
        self._tcp = tcp or TcpDialler()
        self._proxies = getproxies_environment() if proxy_from_env else {}
        self._tls = _client_tls()

    def __repr__(self) -> str:
        return f"<Dialler {len(self._proxies)} proxies>"

    def target(self, address: HttpAddress) -> tuple[str, str]:
        """Return what the first line of a request asks for, and its further header lines.

        Raises: ExchangeFailure, where the environment names a proxy with an invalid URL.
        """
        try:
            proxy = self._proxy_for(address) if address.scheme == "http" else None
        except ValueError as error:
            raise _unreachable(str(error)) from None
        if proxy is None:
            return address.path, ""
        return f"http://{address.authority}{address.path}", _authorization(proxy)

    async def dial(self, address: HttpAddress) -> HttpConnection:
        """Connect. Raises: ExchangeFailure, nothing having begun."""
        try:
            with anyio.fail_after(self.limit):
                return HttpConnection(await self._connect(address))
        except TimeoutError:
            message = "the upstream did not accept a connection in time"
            raise _failure("upstream_timeout", message) from None
        except TcpDialler.NameServerSilent as error:
            message = f"the upstream cannot be reached: {error.strerror}"
            raise _failure("upstream_timeout", message) from None
        except ssl.SSLError as error:
            raise _unreachable(_tls_words(error)) from None
        except (OSError, ValueError, BrokenAnswer, anyio.EndOfStream, *_LOST) as error:
            raise _unreachable(_words(error)) from None

    async def _connect(self, address: HttpAddress) -> ByteStream:
        proxy = self._proxy_for(address)
        if proxy is None:
            return await self._open(address)
        stream = await self._open(proxy.address)
        if address.scheme == "http":
            return stream
        try:
            await _tunnel(stream, address, proxy)
            return await self._wrap(stream, address)
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise

    async def _open(self, address: HttpAddress) -> ByteStream:
        sock = await self._tcp.open(address.host, address.port, limit=self.limit)
        stream = await _stream_of(sock)
        return stream if address.scheme == "http" else await self._wrap(stream, address)

    async def _wrap(self, stream: ByteStream, address: HttpAddress) -> ByteStream:
        """Speak TLS on a stream, which is closed where that fails."""
        try:
            return await TLSStream.wrap(
                stream,
                hostname=address.host,
                ssl_context=self._tls,
                standard_compatible=False,
            )
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise

    def _proxy_for(self, address: HttpAddress) -> _Proxy | None:
        if not self._proxies or proxy_bypass(address.host_port):
            return None
        url = self._proxies.get(address.scheme) or self._proxies.get("all")
        return _Proxy.parse(url) if url else None


_LOST = (anyio.BrokenResourceError, anyio.ClosedResourceError)


async def _stream_of(sock: socket.socket) -> ByteStream:
    """Return the stream of a connected socket, which reads one piece ahead at most.

    On asyncio anyio's would read without an end as long as nobody receives.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return await SocketStream.from_socket(sock)
    return await AsyncioStream.over(sock)


async def _tunnel(stream: ByteStream, address: HttpAddress, proxy: _Proxy) -> None:
    """Have a proxy connect. Raises: BrokenAnswer, where it does not."""
    where = address.host_port
    head = f"CONNECT {where} HTTP/1.1\r\nhost: {where}\r\n{_authorization(proxy)}\r\n"
    await stream.send(head.encode())
    reader = ResponseReader()
    while not reader.begun:
        reader.feed(await stream.receive())
    if not 200 <= reader.status < 300:
        raise BrokenAnswer(f"the proxy answers {reader.status}")


def _authorization(proxy: _Proxy) -> str:
    return f"proxy-authorization: {proxy.credentials}\r\n" if proxy.credentials else ""


def _client_tls() -> ssl.SSLContext:
    if sys.platform == "darwin":
        # Python as python.org builds it for macOS knows no certificates of the system.
        import truststore

        context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    else:
        context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _failure(code: str, message: str) -> ExchangeFailure:
    return ExchangeFailure(code, message, may_have_begun=False)


def _unreachable(why: str) -> ExchangeFailure:
    return _failure("upstream_unreachable", f"the upstream cannot be reached: {why}")


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return f"no TLS: {error.reason or error}"


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    cause = error.__cause__
    return str(error) or (str(cause) if cause else "") or "the connection is lost"
