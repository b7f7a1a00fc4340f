"""Numbers of hosts, read from text."""

from __future__ import annotations

import ipaddress

__all__ = ["IPAddress", "read_ip"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_ip(text: str) -> IPAddress | None:
    """Return the number that a text is, None where it is another text.

    A scope, as in ``fe80::1%eth0``, is left out. An IPv4 address in an IPv6 one is the former.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
