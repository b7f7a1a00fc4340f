"""What commands may connect to: the names of the configuration, looked up outside."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio

from clawmatrix_tool_proxy.exec.guarding.job import Network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import HostPort

__all__ = ["network_for"]

_PATIENCE: Final = 5.0  # seconds for all names together
_OWN: Final = "127.0.0.1 localhost\n::1 localhost\n"


async def network_for(allowed: bool | tuple[HostPort, ...]) -> Network:
    """Return what a command gets: ports, and a hosts file with the addresses of the names.

    Names that cannot be looked up now are left out: to the command they are unknown.
    """
    if isinstance(allowed, bool):
        return Network(open=allowed)
    ports = tuple(sorted({place.port for place in allowed}))
    names = sorted({place.host for place in allowed if not _is_address(place.host)})
    found: dict[str, list[str]] = {name: [] for name in names}
    with anyio.move_on_after(_PATIENCE):
        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(_look_up, name, found[name])
    return Network(ports=ports, hosts=_OWN + "".join(_lines(found.items())))


async def _look_up(name: str, found: list[str]) -> None:
    with suppress(OSError, UnicodeError):
        for *_, address in await anyio.getaddrinfo(name, None):
            if address[0] not in found:
                found.append(str(address[0]))


def _lines(found: Iterable[tuple[str, list[str]]]) -> list[str]:
    return [f"{address} {name}\n" for name, addresses in found for address in addresses]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
