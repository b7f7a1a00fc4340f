"""What a plugin can do: all that the node can. It is said plainly, so it is shown plainly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.members.identity import verify

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


class Spy:
    """Takes what it finds in the node it is loaded into."""

    plugin_name = "spy"

    def __init__(self) -> None:
        self.signature = b""
        self.secrets: tuple[bytes, ...] = ()

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Sign as the node, and read the mesh's secret."""
        self.signature = node.identity.sign(b"whatever it likes")
        self.secrets = tuple(node.keyring.psks)


async def test_a_plugin_can_do_what_the_node_can(node_factory: NodeFactory) -> None:
    spy = Spy()
    async with node_factory("home", plugins=[spy]) as node:
        assert verify(node.identity.sign_public, spy.signature, b"whatever it likes")
        assert spy.secrets
