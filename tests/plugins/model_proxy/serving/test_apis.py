"""Models and APIs that plugins add, over real exchanges and real sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import StartError
from clawmatrix_core.config.config import Config, Secret
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
from clawmatrix_model_proxy.neutral.sealed import sealed_id
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from clawmatrix_model_proxy.serving.paths import name_there
from tests.plugins.model_proxy.asking.asking import ALONE, Client, request

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio


class Host:
    """A plugin with providers of its own."""

    extends = ("model-proxy",)

    def __init__(self, *models: ModelUpstream) -> None:
        self.models = models

    @hookimpl
    def register_model_upstreams(self) -> list[ModelUpstream]:
        return [*self.models]


class Parrots:
    """A plugin with an API of its own, that takes chat completions in its own way."""

    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        paths = {"chat": "cage/{model}/squawk"}
        return [ModelApi("parrots:squawk", paths, None, ("x-seed", "seed "), {"x-bird": "yes"})]


async def says_who(asked: Asked) -> None:
    await asked.answer(b'{"id": "host"}')


async def test_hook_register_model_upstreams(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(says_who) as up:
        key = Secret("the-host-knows-it")
        host = Host(ModelUpstream("h", up.base_url, keys=(key,), upstream_model="h:1"))
        async with node_factory("home", built_in=ALONE, plugins=[host]) as node:
            client = Client(node)
            await client.ask(request(model="h"))
            assert await Client(node).get("/v1/models")
    assert (client.status, client.body) == (200, b'{"id": "host"}')
    assert client.headers["x-clawmatrix-upstream-model"] == "h:1"
    [asked] = up.asked
    assert b"authorization: bearer the-host-knows-it" in asked.head.lower()


async def test_configured_upstreams_are_asked_before_those_of_plugins(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def configured(asked: Asked) -> None:
        await asked.answer(b'{"id": "configured"}')

    async def refuses(asked: Asked) -> None:
        await asked.answer(b'{"error": {"message": "gone"}}', status=404)

    for first, answered in ((configured, b"configured"), (refuses, b"host")):
        async with upstreaming(first) as up, upstreaming(says_who) as hosts:
            table = {"model-proxy": {"models": [{"id": "m", "base_url": up.base_url}]}}
            host = Host(ModelUpstream("m", hosts.base_url))
            node = node_factory("home", built_in=ALONE, plugins=[host], config=table)
            async with node as home:
                client = Client(home)
                await client.ask(request())
        assert (client.status, answered in client.body) == (200, True)


@pytest.mark.faults_expected
@pytest.mark.parametrize(
    "wrong",
    [
        ModelUpstream("", "http://127.0.0.1:1/v1"),
        ModelUpstream("m", "ftp://127.0.0.1/v1"),
        ModelUpstream("m", "http://127.0.0.1:1/v1", max_tokens=0),
    ],
)
async def test_a_model_that_could_not_be_configured_is_its_plugins_fault(
    wrong: ModelUpstream, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(says_who) as up:
        host = Host(wrong, ModelUpstream("good", up.base_url))
        async with node_factory("home", built_in=ALONE, plugins=[host]) as node:
            client = Client(node)
            await client.ask(request(model="good"))
            info = node.plugins.get("Host")
            assert info is not None
            assert (info.state, info.faults) == ("active", 1)
    assert client.status == 200


async def test_hook_register_model_apis(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(says_who) as up:
        model = {"id": "m", "base_url": up.base_url, "api": "parrots:squawk", "api_key": "corn"}
        table = {"model-proxy": {"models": [{**model, "upstream_model": "polly"}]}}
        node = node_factory("home", built_in=ALONE, plugins=[Parrots()], config=table)
        async with node as home:
            client = Client(home)
            await client.ask(request())
    assert client.status == 200
    head = up.asked[0].head.decode().lower()
    assert head.startswith("post /v1/cage/polly/squawk ")
    assert "x-seed: seed corn" in head
    assert "x-bird: yes" in head
    assert "authorization" not in head


class Queries:
    """A plugin whose API has a query in its path."""

    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        return [ModelApi("queries:q", {"chat": "{model}:talk?alt=sse&of=a%20b"})]


async def test_a_path_keeps_its_query_and_names_the_model(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(says_who) as up:
        model = {"id": "m", "base_url": up.base_url, "api": "queries:q", "upstream_model": "a?b c"}
        table = {"model-proxy": {"models": [model]}}
        node = node_factory("home", built_in=ALONE, plugins=[Queries()], config=table)
        async with node as home:
            client = Client(home)
            await client.ask(request())
    assert client.status == 200
    first = up.asked[0].head.decode().partition("\r\n")[0]
    assert first == "POST /v1/a%3Fb%20c:talk?alt=sse&of=a%20b HTTP/1.1"


async def test_a_request_that_passes_as_it_is_loses_the_seals_of_other_apis(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    kept = sealed_id("call_1", "a signature", "google")
    result = {"role": "tool", "tool_call_id": kept, "content": "rain"}
    async with upstreaming(says_who) as up:
        table = {"model-proxy": {"models": [{"id": "m", "base_url": up.base_url}]}}
        async with node_factory("home", built_in=ALONE, config=table) as home:
            client = Client(home)
            await client.ask({"model": "m", "messages": [result]})
    assert client.status == 200
    assert json.loads(up.asked[0].body)["messages"] == [{**result, "tool_call_id": "call_1"}]


async def test_an_api_that_no_plugin_has_ends_the_start() -> None:
    models = [{"id": "m", "base_url": "http://127.0.0.1:1/v1", "api": "parrots:squawk"}]
    raw = {"node_id": "here", "secret": "s" * 40, "model-proxy": {"models": models}}
    node = Node(Config.from_mapping(raw), plugins=[ModelProxyPlugin()], state=MemoryState())
    with pytest.raises(StartError, match=r'no loaded plugin has the API "parrots:squawk"'):
        async with node:
            pass


@pytest.mark.parametrize("name", ["g-1", "models/g-1"])
def test_what_stands_before_a_name_in_a_path_is_not_repeated(name: str) -> None:
    upstream = ModelUpstream("m", "http://127.0.0.1:9", upstream_model=name)
    assert name_there(upstream, "models/{model}:talk") == "g-1"
    assert name_there(upstream, "talk") == name
