"""Who may use the local server: a pure decision over a request's headers.

Host is checked so that a name an attacker controls, pointed at this machine, gets a web page
nowhere (DNS rebinding); Origin so that no web page gets in that was not let in by name; the
token so that no other user of the machine does.
"""

from __future__ import annotations

import hmac
import ipaddress
from typing import TYPE_CHECKING

import attrs

from clawmatrix_http.api import HttpRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Asker", "Guard", "host_of", "read_headers"]

_KEYS = frozenset((b"x-api-key", b"api-key"))
_WANTED = _KEYS | {b"host", b"origin", b"authorization", b"content-length", b"content-encoding"}
_LENGTH_DIGITS = 18


@attrs.define
class Asker:
    """The sender of a request, as its headers describe it.

    ``host`` is None where there is no Host header, or more than one. ``length`` is None
    where the body comes without one. ``encoding`` is what the body is compressed with, None where
    it is not.
    """

    host: bytes | None = None
    origin: bytes | None = None
    tokens: list[bytes] = attrs.field(factory=list, repr=False)
    length: int | None = None
    encoding: bytes | None = None


def read_headers(headers: Iterable[tuple[bytes, bytes]]) -> Asker:
    """Gather what the guard looks at, in one pass."""
    asker = Asker()
    hosts = 0
    for name, value in headers:
        if name not in _WANTED:
            continue
        if name == b"host":
            hosts += 1
            asker.host = value if hosts == 1 else None
        elif name == b"origin":
            asker.origin = value
        elif name in _KEYS:
            asker.tokens.append(value.strip())
        elif name == b"content-length":
            asker.length = _length(value)
        elif name == b"content-encoding":
            asker.encoding = _encoding(asker.encoding, value)
        elif value[:7].lower() == b"bearer ":
            asker.tokens.append(value[7:].strip())
    return asker


def _encoding(before: bytes | None, value: bytes) -> bytes | None:
    told = value.strip()
    if before is not None:
        return before + b", " + told
    return None if told.lower() in (b"", b"identity") else told


def _length(value: bytes) -> int | None:
    """Return the length of a body; one of more digits than any body has is just too large."""
    if not value.isdigit():
        return None
    digits = value.lstrip(b"0")
    return int(digits or b"0") if len(digits) <= _LENGTH_DIGITS else 10**_LENGTH_DIGITS


def host_of(value: bytes) -> str | None:
    """Return the host of a Host header, without port and brackets; None where it is none."""
    try:
        text = value.decode("ascii").lower()
    except UnicodeDecodeError:
        return None
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
    else:
        host, colon, port = text.partition(":")
        rest = colon + port
    if not host or (rest and not (rest[0] == ":" and rest[1:].isdigit())):
        return None
    return host.rstrip(".")


def is_loopback(host: str) -> bool:
    """Say whether a host, without brackets, means this machine whoever resolves it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Decides over requests.

    Args:
        token: what a request must show.
        hosts: names it may use for this machine, beside those of the loopback interface.
        origins: the web origins that are let in.
    """

    def __init__(self, token: str, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._token = token.encode()
        self._hosts = frozenset(host.lower().strip("[]") for host in hosts)
        self._origins = frozenset(origin.encode() for origin in origins)
        self._known: tuple[bytes, str | None] | None = None  # most requests name the same host

    def check(self, asker: Asker, *, server: str | None, public: bool) -> HttpRefusal | None:
        """Return why the request is refused, None where it is not.

        ``server`` is the local address its connection came in by.
        """
        if asker.host is None:
            return HttpRefusal(403, "host_not_allowed", "one Host header is needed")
        if not self._knows(asker.host, server):
            return HttpRefusal(
                403,
                "host_not_allowed",
                "this host name is not allowed (see [http] allowed_hosts)",
            )
        if asker.origin is not None and not self.allows_origin(asker):
            return HttpRefusal(
                403,
                "origin_not_allowed",
                "web pages of this origin are not allowed (see [http] allowed_origins)",
            )
        return None if public else self.check_token(asker)

    def check_token(self, asker: Asker) -> HttpRefusal | None:
        """Return the refusal of a request without the right token."""
        if any(hmac.compare_digest(token, self._token) for token in asker.tokens):
            return None
        said = "the token is wrong" if asker.tokens else "a token is needed"
        return HttpRefusal(
            401,
            "invalid_api_key",
            f"{said}: send it as a Bearer token, x-api-key or api-key (`clawmatrix env` prints it;"
            " a program that embeds the node has it in http_access(node).token)",
            ((b"www-authenticate", b"Bearer"),),
        )

    def allows_origin(self, asker: Asker) -> bool:
        """Say whether the page's origin is let in by name, or is this server's own."""
        if asker.origin in self._origins:
            return True
        return asker.host is not None and asker.origin == b"http://" + asker.host

    def _knows(self, value: bytes, server: str | None) -> bool:
        if self._known == (value, server):
            return True
        host = host_of(value)
        if host is None or not (host in self._hosts or host == server or is_loopback(host)):
            return False
        self._known = (value, server)
        return True
