"""Addresses to listen at: what happens where one cannot be bound."""

from __future__ import annotations

import socket

import pytest

from clawmatrix_core.base.errors import StartError
from tests.plugins.mesh.conftest import make_node

pytestmark = pytest.mark.anyio


async def test_a_port_that_is_taken_ends_the_start_with_its_exit_code() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        here = f"127.0.0.1:{port}"
        for listen, listen_url in ((here, None), (None, f"ws://{here}")):
            key = "listen" if listen else "listen_url"
            words = rf"mesh: ws://127.0.0.1:{port} is taken \(set \[mesh\] {key} to another"
            with pytest.raises(StartError, match=words) as raised:
                async with make_node("node", listen=listen, listen_url=listen_url):
                    pass
            assert raised.value.exit_code == 5


async def test_an_address_that_is_not_this_machines_ends_the_start() -> None:
    with pytest.raises(StartError, match=r"mesh: ws://192.0.2.1:0 cannot be bound: ") as raised:
        async with make_node("node", listen="192.0.2.1:0"):
            pass
    assert raised.value.exit_code == 1


async def test_a_listening_address_without_a_transport_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(StartError, match=r"mesh\.listen_url: there is no transport") as raised:
        async with make_node("node", listen_url="smoke://a"):
            pass
    assert raised.value.exit_code == 2
