"""Who sent a request that a proxy passed on: ``X-Forwarded-For`` and ``Forwarded`` (RFC 7239).

Anybody can write these headers. They count where a connection comes from a proxy that the
configuration names, and only as far back as each address on the way is such a proxy too.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.ip import IPAddress, read_ip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["FORWARDED_LENGTH", "Proxies"]

FORWARDED_LENGTH = Bound(
    4096,
    "characters of `X-Forwarded-For` and of `Forwarded` that are read of a request",
    fed_by="a stranger",
    when_full="the header counts for nothing, and the request is the proxy's own",
)

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = re.compile(rf'\s*(?P<name>{_TOKEN})=(?:"(?P<quoted>[^"\\]*)"|(?P<plain>{_TOKEN}))\s*')
_WITH_PORT = re.compile(r"\[(?P<v6>[^]]+)\](?::\w+)?|(?P<v4>[0-9.]+):\w+")


class Proxies:
    """The proxies that may say where a request comes from.

    Args:
        networks: where they are, as in ``10.8.0.0/16``. Raises: ValueError, if malformed.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self.use(networks)

    def __repr__(self) -> str:
        return f"<Proxies: {', '.join(map(str, self._networks)) or 'none'}>"

    def use(self, networks: Iterable[str]) -> None:
        """Trust the proxies in these networks, and no others. Raises: ValueError."""
        self._networks = [_network(one) for one in networks]

    def client(self, host: str, listed: Sequence[str], forwarded: Sequence[str]) -> str:
        """Return who sent a request, as a number; ``host`` itself where nobody is believed.

        Args:
            host: the number of the other end of the connection.
            listed: the values of all headers ``X-Forwarded-For``, in their order.
            forwarded: the values of all headers ``Forwarded``, in their order.
        """
        peer = _address(host) if self._networks else None
        if peer is None or not self._trusts(peer):
            return host
        chains = [_listed(listed)] if listed else []
        if forwarded:
            chains.append(_forwarded(forwarded))
        # A proxy writes one of the two, and may pass on the other as its client made it up.
        found = {self._walk(peer, chain) for chain in chains}
        return str(found.pop()) if len(found) == 1 else host

    def _walk(self, peer: IPAddress, chain: Sequence[str]) -> IPAddress:
        """Return the last address that a trusted proxy vouches for."""
        for text in reversed(chain):
            address = _address(text)
            if address is None:  # hidden on purpose, or nonsense
                break
            peer = address
            if not self._trusts(address):
                break
        return peer

    def _trusts(self, address: IPAddress) -> bool:
        return any(address in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'"{text}" is not a network like "10.8.0.0/16"') from None


def _address(text: str) -> IPAddress | None:
    """Return the number in a text such as ``192.0.2.1:80`` or ``[2001:db8::1]``, None for none."""
    text = text.strip()
    match = _WITH_PORT.fullmatch(text)
    if match is not None:
        text = match["v6"] or match["v4"]
    return read_ip(text)


def _joined(values: Sequence[str]) -> str:
    text = ",".join(values)
    return "" if len(text) > FORWARDED_LENGTH else text


def _listed(values: Sequence[str]) -> list[str]:
    return _joined(values).split(",")


def _forwarded(values: Sequence[str]) -> list[str]:
    """Return what each proxy says of its client; nothing where any of it cannot be read."""
    text, chain, element = _joined(values), [], dict[str, str]()
    place = 0
    while match := _PAIR.match(text, place):
        name = match["name"].lower()
        if name in element:
            return []
        element[name] = match["quoted"] if match["plain"] is None else match["plain"]
        place = match.end()
        if text[place : place + 1] != ";":
            chain.append(element.get("for", ""))
            element = {}
            if text[place : place + 1] != ",":
                break
        place += 1
    return chain if place == len(text) else []
