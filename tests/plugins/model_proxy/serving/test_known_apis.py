"""Tests of models whose plugin, or whose API, goes while the node runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.api import ModelUpstream, serve_models
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from tests.plugins.model_proxy.example_api.quill import QuillPlugin

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio, pytest.mark.faults_expected]

NOWHERE = "http://127.0.0.1:9/v1"
API = QuillPlugin().register_model_apis()[0].name


class Provider:
    """A plugin that brings two models, of which one has an API that nobody has."""

    extends = ("model-proxy",)

    @hookimpl
    def register_model_upstreams(self) -> list[ModelUpstream]:
        """Return the models that are served."""
        return [ModelUpstream("theirs", NOWHERE), ModelUpstream("odd", NOWHERE, api="x:nothing")]


def offered(node: Node) -> list[str]:
    return [one["id"] for one in node.offers()["models"]]


def take_out(node: Node, name: str) -> None:
    info = node.plugins.get(name)
    assert info is not None
    node.plugins.fail(info, "the test says so")


async def test_models_of_a_plugin_that_is_taken_out_go_along(node_factory: NodeFactory) -> None:
    plugins = [ModelProxyPlugin(), Provider()]
    async with node_factory("here", built_in=(), plugins=plugins) as node:
        await serve_models(node, [ModelUpstream("ours", NOWHERE)])
        assert offered(node) == ["ours", "theirs"]
        info = node.plugins.get("Provider")
        assert info is not None
        assert "'odd' has the API 'x:nothing', and no loaded plugin has it" in str(info.last_fault)
        take_out(node, "Provider")
        await wait_until(lambda: offered(node) == ["ours"])


async def test_models_whose_api_goes_with_its_plugin_are_offered_no_more(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    quill = QuillPlugin()
    async with node_factory("here", built_in=(), plugins=[ModelProxyPlugin(), quill]) as node:
        models = [ModelUpstream("ours", NOWHERE), ModelUpstream("quilled", NOWHERE, api=API)]
        await serve_models(node, models)
        assert offered(node) == ["ours", "quilled"]
        [name] = [info.name for info in node.plugins.list() if info.plugin is quill]
        take_out(node, name)
        await wait_until(lambda: offered(node) == ["ours"])
    assert f"the model 'quilled' has the API '{API}', and the plugin {name}" in caplog.text
