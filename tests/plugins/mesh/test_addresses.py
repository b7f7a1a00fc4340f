"""Addresses: what is one, what dials it, and what happens where one cannot be bound."""

from __future__ import annotations

import socket

import pytest

from clawmatrix_core.base.errors import DialError, StartError
from clawmatrix_mesh.addresses import check_address, find_transport
from tests.plugins.mesh.conftest import make_node


@pytest.mark.parametrize(
    "address", ["ws://a", "wss://a.example:19000", "wss://[::1]:1", "memory://x", "tcp://a:1/p?q"]
)
def test_an_address_has_a_scheme_and_a_place(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("relay.example:19000", "is not an address like wss://host:port"),
        ("wss://", "is not an address like wss://host:port"),
        ("://a", "is not an address like wss://host:port"),
        ("", "is not an address like wss://host:port"),
        ("ws://a b", "no spaces"),
        ("ws://a\n", "no spaces"),
        ("ws://a:port", "is not an address: "),
        ("ws://a:99999", "is not an address: "),
    ],
)
def test_what_is_no_address_is_said(address: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_address(address)


@pytest.mark.anyio
async def test_an_address_of_no_transport_names_those_there_are() -> None:
    async with make_node("node") as node:
        with pytest.raises(DialError, match=r"no transport for smoke://a \(there are: ws, wss\)"):
            find_transport(node, "smoke://a")


@pytest.mark.anyio
async def test_a_port_that_is_taken_ends_the_start_with_its_exit_code() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"mesh: ws://127.0.0.1:{port} is taken") as raised:
            async with make_node("node", listen=f"127.0.0.1:{port}"):
                pass
    assert raised.value.exit_code == 5


@pytest.mark.anyio
async def test_an_address_that_is_not_this_machines_ends_the_start() -> None:
    with pytest.raises(StartError, match=r"mesh: ws://192.0.2.1:0 cannot be bound: ") as raised:
        async with make_node("node", listen="192.0.2.1:0"):
            pass
    assert raised.value.exit_code == 1


@pytest.mark.anyio
async def test_a_listening_address_without_a_transport_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(StartError, match="no transport for smoke://a") as raised:
        async with make_node("node", listen_url="smoke://a"):
            pass
    assert raised.value.exit_code == 2
