"""What a transport of a plugin lets out is that plugin's fault."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import Connection, Listener, Transport, hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.plugin import MeshPlugin

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio, pytest.mark.faults_expected]


class Storks(Transport):
    schemes = ("stork",)

    async def dial(self, address: str) -> Connection:
        if address.endswith("exit"):
            sys.exit(4)
        raise KeyError("wing")

    def listen(self, address: str) -> AbstractAsyncContextManager[Listener]:
        raise OSError("no chimney")


class Stork:
    plugin_name = "stork"

    @hookimpl
    def register_transports(self) -> list[Transport]:
        return [Storks()]


@pytest.mark.parametrize(
    ("address", "words"),
    [("stork://nest", "dial: KeyError: 'wing'"), ("stork://exit", "dial: EndsProcess: means to")],
)
async def test_a_dial_that_raises_is_a_fault_of_the_transports_plugin(
    node_factory: NodeFactory, address: str, words: str
) -> None:
    plugins = [MeshPlugin(), Stork()]
    config = {"mesh": {"peers": [address]}}
    async with node_factory("home", built_in=(), plugins=plugins, config=config) as node:
        found = {info.name: info for info in node.plugins.list()}
        await wait_until(lambda: found["stork"].faults)
        assert str(found["stork"].last_fault).startswith(words)
        assert [info.name for info in node.plugins.list() if info.faults] == ["stork"]
        assert found["stork"].state == "active"
