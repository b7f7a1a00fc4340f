"""Which of the addresses that other nodes advertise this node dials.

Every member writes its own record, and so chooses what others connect to. What it names may be
a service that only this node can reach. The text of an address is judged when a record is read,
and the number that its name leads to at each dial.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["DialPolicy", "own_interfaces"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        (
            "169.254.169.254",  # most clouds
            "169.254.170.2",  # credentials of containers at Amazon
            "169.254.0.23",  # Tencent
            "100.100.100.200",  # Alibaba
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle
            "fd00:ec2::254",  # Amazon
            "fd00:ec2::23",  # credentials of containers at Amazon
            "fd20:ce::254",  # Google
            "fd00:c1::a9fe:a9fe",  # Oracle
        ),
    )
)
"""Where clouds tell a machine its secrets."""
_TRANSLATED = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
"""IPv6 networks in which a number holds an IPv4 number, and by how many bits that is shifted."""
_MORE_PRIVATE = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),
    ipaddress.IPv6Network("fec0::/10"),
)


def own_interfaces() -> list[Interface]:
    """Return the addresses of this machine's interfaces, with their networks."""
    # Imported here: most nodes never dial an address that another one advertises.
    import psutil

    found: list[Interface] = []
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            try:
                ip = ipaddress.ip_address(one.address.partition("%")[0])
                found.append(ipaddress.ip_interface(f"{ip}/{_prefix(ip, one.netmask)}"))
            except ValueError:  # an address of another kind
                continue
    return found


def _prefix(ip: IPAddress, netmask: str | None) -> int:
    return int(ipaddress.ip_address(netmask)).bit_count() if netmask else ip.max_prefixlen


class DialPolicy:
    """Says to which numbers this node connects because another node advertised them.

    To none that only a program on this machine, or in a network of others, could mean; and to
    all in the networks that the configuration names.
    """

    def __init__(
        self,
        named: Callable[[], Iterable[str]],
        interfaces: Callable[[], Iterable[Interface]] = own_interfaces,
    ) -> None:
        """Make a policy; ``named`` gives the networks of the configuration."""
        self._named = named
        self._interfaces = interfaces

    def objection(self, ip: IPAddress) -> str | None:
        """Return what a number is that is not dialled, None for one that is."""
        meant = _meant(ip)
        named = [ipaddress.ip_network(one, strict=False) for one in self._named()]
        if _in_one_of(named, ip) or _in_one_of(named, meant):
            return None
        return _unfit(meant) or self._not_near(meant)

    def _not_near(self, ip: IPAddress) -> str | None:
        interfaces = list(self._interfaces())
        if any(one.ip == ip for one in interfaces):
            return "an address of this machine"
        public = ip.is_global and not _in_one_of(_MORE_PRIVATE, ip)
        if public or _in_one_of([one.network for one in interfaces], ip):
            return None
        return "a private address, in a network that this node is not in"


def _unfit(ip: IPAddress) -> str | None:
    """Return what a number is that no node has for another one."""
    if ip in _METADATA:
        return "where a cloud tells a machine its secrets"
    kinds = (
        (ip.is_loopback or ip.is_unspecified, "a loopback address"),
        (ip.is_link_local, "a link-local address"),
        (ip.is_multicast, "a multicast address"),
        (ip.is_reserved or (ip.version == 4 and int(ip) >> 24 == 0), "a reserved address"),
    )
    return next((name for so, name in kinds if so), None)


def _meant(ip: IPAddress) -> IPAddress:
    """Return the IPv4 number that an IPv6 number stands for, else the number itself."""
    if ip.version == 4:
        return ip
    for embedded in (ip.ipv4_mapped, ip.teredo and ip.teredo[1]):
        if embedded is not None:
            return embedded
    for network, shift in _TRANSLATED:
        if ip in network:
            return ipaddress.IPv4Address(int(ip) >> shift & 0xFFFFFFFF)
    return ip


def _in_one_of(networks: Iterable[Network], ip: IPAddress) -> bool:
    return any(ip in network for network in networks)
