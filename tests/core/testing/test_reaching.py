"""What tests ask of a node: plugins, control methods, routes, reloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from starlette.responses import PlainTextResponse, Response

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import Config, ConfigSection, option
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.contributions import ControlMethod
from clawmatrix_core.testing.fixtures import (
    SECRET,
    NodeFactory,
    call_control,
    http_client,
    plugin_of,
    reload,
    stream_control,
)
from clawmatrix_http.api import HttpRoute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from clawmatrix_core.base.json_value import JSON

pytestmark = pytest.mark.anyio


@attrs.frozen
class LoftConfig:
    most: int = option(default=2, doc="How many live there.", reload=True)
    name: str = option(default="roof", doc="Where it is.", reload=True)


class Loft:
    """A plugin with something of each kind that tests ask for."""

    extends = ("http",)

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("loft", LoftConfig)]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        count = ControlMethod("loft.count", call=self._count)
        return [count, ControlMethod("loft.names", stream=self._names)]

    @hookimpl
    def register_http_routes(self) -> list[HttpRoute]:
        return [HttpRoute("/loft", ("GET",), self._show)]

    async def _count(self, params: dict[str, JSON]) -> JSON:
        return {"count": params["of"]}

    async def _names(self, params: dict[str, JSON]) -> AsyncIterator[JSON]:
        for name in ("ann", "bob"):
            yield name

    async def _show(self, request: Request) -> Response:
        return PlainTextResponse("coo")


async def test_a_plugin_is_found_by_name_and_by_class(node_factory: NodeFactory) -> None:
    loft = Loft()
    async with node_factory("a", plugins=[loft]) as node:
        assert plugin_of(node, Loft) is loft
        assert plugin_of(node, "Loft") is loft
        with pytest.raises(LookupError, match=r"a has no plugin http; it has .*mesh, .*Loft"):
            plugin_of(node, "http")
        with pytest.raises(LookupError, match="unless the class has a plugin_name"):
            plugin_of(node, "loft")


@pytest.mark.faults_expected
async def test_a_plugin_that_failed_says_why(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=["no-such-plugin"]) as node:
        why = "no-such-plugin is failed: no plugin of that name is installed"
        with pytest.raises(LookupError, match=why):
            plugin_of(node, "no-such-plugin")


async def test_control_methods_are_called_within_the_process(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[Loft]) as node:
        assert await call_control(node, "loft.count", {"of": 3}) == {"count": 3}
        assert [name async for name in stream_control(node, "loft.names")] == ["ann", "bob"]
        with pytest.raises(LookupError, match="a has no control method status"):
            await call_control(node, "status")
        with pytest.raises(LookupError, match=r"loft\.names is a stream"):
            await call_control(node, "loft.names")
        with pytest.raises(LookupError, match=r"loft\.count is no stream"):
            await anext(stream_control(node, "loft.count"))


async def test_the_methods_of_the_control_plugin_are_there_too(node_factory: NodeFactory) -> None:
    async with node_factory("a", built_in=("control",), plugins=[Loft]) as node:
        assert (await call_control(node, "status"))["nodeId"] == "a"
        assert await call_control(node, "loft.count", {"of": 1}) == {"count": 1}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # uvicorn runs on nothing else
async def test_the_client_of_the_local_server_sends_the_token(node_factory: NodeFactory) -> None:
    async with (
        node_factory("a", built_in=("http",), plugins=[Loft]) as node,
        http_client(node) as client,
    ):
        answer = await client.get("/loft")
        assert (answer.status_code, answer.text) == (200, "coo")
        del client.headers["x-api-key"]
        assert (await client.get("/loft")).status_code == 401


async def test_without_a_server_there_is_no_client(node_factory: NodeFactory) -> None:
    async with node_factory("a") as node:
        with pytest.raises(LookupError, match=r"no control method http\.env"):
            async with http_client(node):
                pass


async def test_a_reload_changes_single_keys(node_factory: NodeFactory) -> None:
    config = {"loft": {"name": "tower"}}
    async with node_factory("a", plugins=[Loft], config=config) as node:
        assert (await reload(node, {"loft": {"most": 5}})).reloaded == {"loft.most"}
        assert node.config.section(LoftConfig) == LoftConfig(most=5, name="tower")
        changes = await reload(node, {"loft": {"name": None}, "tags": ["x"]})
        assert changes.reloaded == {"loft.name", "tags"}
        assert node.config.section(LoftConfig) == LoftConfig(most=5)
        with pytest.raises(ConfigError, match=r"loft\.most"):
            await reload(node, {"loft": {"most": "many"}})
        assert node.config.section(LoftConfig) == LoftConfig(most=5)


async def test_a_node_of_another_maker_is_reloaded_by_itself() -> None:
    node = Node(Config.from_mapping({"node_id": "a", "secret": SECRET}))
    with pytest.raises(TypeError, match="a was not made by node_factory"):
        await reload(node, {})
