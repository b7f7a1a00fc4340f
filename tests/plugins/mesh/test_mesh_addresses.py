"""What a host is told of the addresses that its node listens at."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.api import mesh_addresses
from tests.plugins.mesh.conftest import make_node

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


async def test_a_host_learns_the_port_that_the_system_chose(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "clawmatrix")
    office = make_node("office", listen="127.0.0.1:0")
    assert mesh_addresses(office) == ()
    async with office:
        [address] = mesh_addresses(office)
        assert address.startswith("ws://127.0.0.1:")
        assert not address.endswith(":0")
        assert f"listening on {address}" in caplog.messages
        async with make_node("home", peers=[address]) as home:
            await wait_until(lambda: office.id in home.links)
    assert mesh_addresses(office) == ()


async def test_there_are_none_once_the_plugin_was_taken_out() -> None:
    async with make_node("office", listen="127.0.0.1:0") as office:
        info = office.plugins.get("mesh")
        assert info is not None
        office.plugins.fail(info, "a test says so")
        assert mesh_addresses(office) == ()


async def test_a_node_without_the_mesh_has_none(node_factory: NodeFactory) -> None:
    async with node_factory("home", built_in=()) as node:
        assert mesh_addresses(node) == ()
