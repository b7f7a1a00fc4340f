"""What the plugin knows of the models of other nodes follows what happens to those nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from tests.plugins.model_proxy.asking.asking import NOWHERE, serves

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


def served_by(node: Node) -> list[str]:
    """Return the nodes of which this one knows that they serve a model."""
    [section] = [one for one in node.status_sections() if one.name == "model-proxy"]
    return [at["nodeId"] for model in section.read()["models"] for at in model["nodes"]]


async def test_models_come_with_a_record_and_go_with_it(node_factory: NodeFactory) -> None:
    home = node_factory("home", plugins=[ModelProxyPlugin()])
    plugins, table = [ModelProxyPlugin()], serves(NOWHERE)
    async with home, node_factory("a", dials=["home"], plugins=plugins, config=table):
        await wait_until(lambda: served_by(home) == ["a"])
        b = node_factory("b", dials=["home"], plugins=[ModelProxyPlugin()], config=table)
        async with b:
            await wait_until(lambda: served_by(home) == ["a", "b"])
        assert home.expel(b.identity.sign_public) == ["b"]
        await wait_until(lambda: served_by(home) == ["a"])
