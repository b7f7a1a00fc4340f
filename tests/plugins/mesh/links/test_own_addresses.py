"""Listening at all addresses of both families, and telling others where that is."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from clawmatrix_core.testing.fixtures import free_port, wait_until
from clawmatrix_mesh.links.advertised import own_interfaces
from clawmatrix_mesh.links.own_addresses import OwnAddresses, addresses_of
from tests.plugins.mesh.conftest import make_node

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_mesh.links.advertised import Interface

MACHINE = [
    ipaddress.ip_interface(text)
    for text in (
        "127.0.0.1/8",
        "192.168.1.5/24",
        "203.0.113.7/24",
        "9.9.9.9/24",
        "::1/128",
        "fe80::1/64",
        "2620:fe::fe/64",
        "fd00::5/64",
    )
]


def listens(node: Node) -> list[str]:
    [section] = [one for one in node.status_sections() if one.name == "mesh"]
    found: list[str] = section.read()["listen"]
    return found


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_node_that_listens_at_all_addresses_takes_both_families() -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    async with make_node("hub", listen="*:0") as hub:
        first, second = map(urlsplit, listens(hub))
        assert (first.hostname, second.hostname) == ("0.0.0.0", "::")
        assert first.port == second.port
        for name, host in (("four", "127.0.0.1"), ("six", "[::1]")):
            async with make_node(name, peers=[f"ws://{host}:{first.port}"]):
                await wait_until(lambda name=name: name in hub.links)  # type: ignore[misc]


@pytest.mark.anyio
async def test_where_one_family_is_taken_nothing_is_bound() -> None:
    if not has_ipv6():
        pytest.skip("no IPv6 here")
    port = free_port()
    with socket.create_server(("::1", port), family=socket.AF_INET6):
        with pytest.raises(Exception, match="is taken"):
            async with make_node("hub", listen=f"*:{port}"):
                pass
        with socket.socket() as free:
            free.bind(("127.0.0.1", port))


def test_two_listening_nodes_need_no_advertise_to_reach_each_other() -> None:
    """What a node that listens everywhere tells is what the other one may dial: no loopback."""
    bound = ["ws://0.0.0.0:19000", "ws://[::]:19000"]
    assert addresses_of(bound, lambda: MACHINE) == (
        "ws://9.9.9.9:19000",
        "ws://[2620:fe::fe]:19000",
        "ws://192.168.1.5:19000",
        "ws://203.0.113.7:19000",
    )
    assert addresses_of(["ws://[::]:1"], lambda: MACHINE) == (
        "ws://[2620:fe::fe]:1",
        "ws://[fd00::5]:1",
    )
    assert addresses_of(["ws://192.168.1.5:1"], lambda: MACHINE) == ("ws://192.168.1.5:1",)
    for none in ("ws://127.0.0.1:1", "wss://0.0.0.0:1", "memory://a", "ws://[::1]:1"):
        assert addresses_of([none], lambda: MACHINE) == ()


@pytest.mark.anyio
async def test_the_record_has_the_addresses_unless_the_configuration_names_some() -> None:
    async def told(**mesh: Any) -> tuple[str, ...]:
        async with make_node("hub", **mesh) as hub:
            own = hub.directory.get(hub.id)
            assert own is not None
            expected = addresses_of(listens(hub), own_interfaces)
            assert mesh.get("advertise") is not None or own.record.addresses == expected
            return own.record.addresses

    await told(listen="*:0")
    assert await told(listen="*:0", advertise=[]) == ()
    assert await told(listen="*:0", advertise=["wss://a.example:1"]) == ("wss://a.example:1",)


def test_the_machine_is_looked_at_again_after_a_while() -> None:
    looks, now = 0, [0.0]

    def interfaces() -> list[Interface]:
        nonlocal looks
        looks += 1
        return MACHINE[:2]

    own = OwnAddresses(lambda: None, lambda: ("ws://0.0.0.0:1",), lambda: now[0], interfaces)
    assert own() == own() == ("ws://192.168.1.5:1",)
    assert looks == 1
    now[0] = 31.0
    assert own() == ("ws://192.168.1.5:1",)
    assert looks == 2
