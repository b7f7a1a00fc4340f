"""To which numbers a node connects because another node advertised them."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.abc import SocketAttribute
from msgspec.structs import replace

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing import wait_until
from clawmatrix_mesh.links.advertised import DialPolicy, own_interfaces
from tests.plugins.mesh.conftest import LIMITS, address_of, make_node
from tests.plugins.mesh.streams import StreamPlugin, reading

if TYPE_CHECKING:
    from anyio.abc import SocketStream

    from clawmatrix_core.base.lookups import IPAddress

INTERFACES = ["127.0.0.1/8", "192.168.7.20/24", "203.0.113.9/24", "fd12:3456::20/64", "fe80::1/64"]


def objection(number: str, *named: str) -> str | None:
    ip: IPAddress = ipaddress.ip_address(number)
    policy = DialPolicy(lambda: named, lambda: map(ipaddress.ip_interface, INTERFACES))
    return policy.objection(ip)


@pytest.mark.parametrize("number", ["198.41.0.4", "2001:500:2::c", "192.168.7.1", "fd12:3456::1"])
def test_public_numbers_and_those_of_a_network_of_this_node_are_dialled(number: str) -> None:
    assert objection(number) is None


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("127.0.0.1", "a loopback address"),
        ("127.8.8.8", "a loopback address"),
        ("::1", "a loopback address"),
        ("0.0.0.0", "a loopback address"),
        ("::", "a loopback address"),
        ("0.0.0.1", "a reserved address"),
        ("240.0.0.1", "a reserved address"),
        ("255.255.255.255", "a reserved address"),
        ("169.254.1.1", "a link-local address"),
        ("fe80::2", "a link-local address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("169.254.169.254", "where a cloud tells a machine its secrets"),
        ("168.63.129.16", "where a cloud tells a machine its secrets"),
        ("fd00:ec2::254", "where a cloud tells a machine its secrets"),
        ("192.168.7.20", "an address of this machine"),
        ("203.0.113.9", "an address of this machine"),
        ("192.168.8.1", "a private address, in a network that this node is not in"),
        ("10.0.0.1", "a private address, in a network that this node is not in"),
        ("100.64.0.1", "a private address, in a network that this node is not in"),
        ("fd99::1", "a private address, in a network that this node is not in"),
        ("fec0::1", "a private address, in a network that this node is not in"),
        ("64:ff9b:1::1", "a reserved address"),
        ("::127.0.0.1", "a reserved address"),
    ],
)
def test_direct_dial_ssrf_numbers_are_not_dialled(number: str, why: str) -> None:
    assert objection(number) == why


@pytest.mark.parametrize(
    "number",
    [
        "::ffff:127.0.0.1",  # IPv4 in IPv6
        "64:ff9b::7f00:1",  # NAT64
        "::ffff:0:127.0.0.1",  # SIIT
        "2002:7f00:1::",  # 6to4
        "2001:0:0:0:0:0:80ff:fffe",  # Teredo
    ],
)
def test_an_ipv4_number_inside_an_ipv6_number_is_judged(number: str) -> None:
    assert objection(number) == "a loopback address"


def test_networks_of_the_configuration_are_dialled_whatever_they_are() -> None:
    assert objection("127.0.0.1", "127.0.0.0/8") is None
    assert objection("::ffff:127.0.0.1", "10.0.0.0/8", "127.0.0.0/8") is None
    assert objection("::ffff:127.0.0.1", "::ffff:0:0/96") is None
    assert objection("169.254.169.254", "169.254.169.254") is None
    assert objection("10.1.2.3", "10.0.0.1/8") is None
    assert objection("fd99::1", "127.0.0.0/8") is not None


def test_the_interfaces_of_this_machine_are_found() -> None:
    found = own_interfaces()
    assert ipaddress.ip_interface("127.0.0.1/8") in found


@pytest.mark.anyio
async def test_direct_dial_ssrf_reaches_no_service_of_this_machine() -> None:
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        async with stream:
            heard.append(await stream.receive())

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
        make_node("relay") as relay,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(SocketAttribute.local_port)
        advertised = [
            f"ws://127.0.0.1:{port}",
            f"ws://localhost:{port}/v1/shutdown",
            f"ws://root:hunter2@127.0.0.1:{port}/x?all=1",
        ]
        limits = replace(LIMITS, direct_look=0.02, direct_gap=0.05, direct_gap_most=0.05)
        mesh: dict[str, Any] = {"plugins": ("relay", StreamPlugin()), "peers": [address_of(relay)]}
        async with (
            make_node("mallory", advertise=advertised, **mesh),
            make_node("home", limits=limits, **mesh) as home,
        ):
            await wait_until(lambda: home.reachable(NodeId("mallory")))

            def tries() -> list[dict[str, Any]]:
                [section] = [one for one in home.status_sections() if one.name == "mesh"]
                found: list[dict[str, Any]] = section.read()["direct"]
                return found

            async with reading(home, "mallory") as stream:
                await stream.until(lambda: any(one["failures"] > 2 for one in tries()))
                assert "is not dialled: " in str(tries()[0]["error"])
                assert home.counters["not_permitted"] > 0
                assert home.counters["bad_address"] == 1
                await stream.to_the_end()
        tasks.cancel_scope.cancel()
    assert heard == []
