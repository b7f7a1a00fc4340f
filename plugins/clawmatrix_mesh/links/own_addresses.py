"""The addresses that a node advertises where its configuration names none."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clawmatrix_mesh.links.advertised import own_interfaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clawmatrix_mesh.links.advertised import Interface, IPAddress

__all__ = ["OwnAddresses", "addresses_of"]

_MOST = 4
"""Addresses of a record that others try."""
_FRESH = 30.0
"""Seconds for which the addresses of this machine are taken to stay as they are."""


class OwnAddresses:
    """Says where others can dial this node, from where it listens and what the machine has.

    Attributes:
        named: returns the addresses of the configuration, None where it names none.

    Args:
        named: see above.
        bound: returns the addresses that the node listens at.
        now: the clock.
        interfaces: returns the addresses of the machine.
    """

    def __init__(
        self,
        named: Callable[[], tuple[str, ...] | None],
        bound: Callable[[], tuple[str, ...]],
        now: Callable[[], float],
        interfaces: Callable[[], Iterable[Interface]] = own_interfaces,
    ) -> None:
        self.named = named
        self._bound = bound
        self._now = now
        self._interfaces = interfaces
        self._found: tuple[str, ...] = ()
        self._looked: tuple[tuple[str, ...], float] | None = None

    def __call__(self) -> tuple[str, ...]:
        """Return the addresses, the best first."""
        named = self.named()
        return self.seen() if named is None else named

    def seen(self) -> tuple[str, ...]:
        """Return those that are found on this machine."""
        bound, now = self._bound(), self._now()
        last = self._looked
        if last is None or last[0] != bound or now - last[1] > _FRESH:
            self._found = addresses_of(bound, self._interfaces)
            self._looked = (bound, now)
        return self._found


def addresses_of(
    bound: Iterable[str], interfaces: Callable[[], Iterable[Interface]]
) -> tuple[str, ...]:
    """Return the addresses at which another machine may reach listeners of ``ws``.

    Public addresses come first. Listeners of ``wss`` have none: a certificate is for a name.
    """
    found: dict[tuple[IPAddress, int], None] = {}
    for address in bound:
        parts = urlsplit(address)
        if parts.scheme != "ws" or parts.hostname is None or parts.port is None:
            continue
        listens = ipaddress.ip_address(parts.hostname)
        for ip in _meant(listens, interfaces):
            found[ip, parts.port] = None
    best = sorted(found, key=lambda one: (not one[0].is_global, one[0].version))
    return tuple(f"ws://{_host(ip)}:{port}" for ip, port in best)[:_MOST]


def _meant(
    listens: IPAddress, interfaces: Callable[[], Iterable[Interface]]
) -> Iterator[IPAddress]:
    ips = [one.ip for one in interfaces()] if listens.is_unspecified else [listens]
    for ip in ips:
        usual = not (ip.is_loopback or ip.is_link_local or ip.is_multicast)
        if usual and ip.version == listens.version:
            yield ip


def _host(ip: IPAddress) -> str:
    return f"[{ip}]" if ip.version == 6 else str(ip)
