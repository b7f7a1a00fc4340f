"""A host and a plugin change which models a node serves, and leave its configuration alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import LocalProtocolError, StartError
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_model_proxy.api import (
    ModelError,
    ModelUpstream,
    ask_model,
    models_changed,
    serve_models,
    stream_model,
)
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from tests.plugins.model_proxy.serving.serving import DONE, EVENT, model

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import MeshFactory, NodeFactory
    from tests.plugins.model_proxy.conftest import Answer, Asked, Upstreaming

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

PAIR = {"home": [], "office": ["home"]}
NOWHERE = "http://127.0.0.1:9/v1"
ASKED: dict[str, Any] = {"messages": []}


class Provider:
    """A plugin whose models come and go."""

    extends = ("model-proxy",)

    def __init__(self) -> None:
        self.models: list[ModelUpstream] = []

    @hookimpl
    def register_model_upstreams(self) -> list[ModelUpstream]:
        """Return the models of the moment."""
        return self.models


def says(id_: str) -> Answer:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"id": "%s"}' % id_.encode())

    return answer


def seen(node: Node, other: Node) -> list[str]:
    """Return the models of another node as a node knows them."""
    peer = node.directory.get(other.id)
    return [] if peer is None else [one["id"] for one in peer.record.offers.get("models", [])]


async def test_models_that_a_host_gives_are_asked_from_another_node(
    mesh: MeshFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(says("one")) as one,
        upstreaming(says("two")) as two,
        mesh(PAIR, plugins=[ModelProxyPlugin]) as nodes,
    ):
        home, office = nodes["home"], nodes["office"]
        await serve_models(office, [ModelUpstream("m", one.base_url)])
        await wait_until(lambda: seen(home, office) == ["m"])
        assert await ask_model(home, "m", ASKED) == {"id": "one"}
        await serve_models(office, [ModelUpstream("n", two.base_url)])
        await wait_until(lambda: seen(home, office) == ["n"])
        assert await ask_model(home, "n", ASKED) == {"id": "two"}
        await serve_models(office, [])
        await wait_until(lambda: seen(home, office) == [])


async def test_models_taken_out_are_heard_of_although_the_node_stops_right_after_its_record(
    mesh: MeshFactory,
) -> None:
    async with mesh(PAIR, plugins=[ModelProxyPlugin]) as nodes:
        home, office = nodes["home"], nodes["office"]
        await serve_models(office, [ModelUpstream("m", NOWHERE)])
        await wait_until(lambda: seen(home, office) == ["m"])
        await serve_models(office, [])
        await wait_until(lambda: seen(office, office) == [])
        office.stop()
        await wait_until(lambda: seen(home, office) == [])


async def test_a_node_that_has_stopped_is_known_with_its_models_and_out_of_reach(
    mesh: MeshFactory,
) -> None:
    async with mesh(PAIR, plugins=[ModelProxyPlugin]) as nodes:
        home, office = nodes["home"], nodes["office"]
        await serve_models(office, [ModelUpstream("m", NOWHERE)])
        await wait_until(lambda: seen(home, office) == ["m"])
        office.stop()
        await wait_until(lambda: not home.reachable("office"))
        assert seen(home, office) == ["m"]


async def test_stop_ends_the_answers_of_a_host_that_is_still_inside_the_block(
    mesh: MeshFactory, upstreaming: Upstreaming
) -> None:
    async def stream(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await anyio.sleep_forever()

    async with upstreaming(stream) as up, mesh(PAIR, plugins=[ModelProxyPlugin]) as nodes:
        home, office = nodes["home"], nodes["office"]
        await serve_models(office, [ModelUpstream("m", up.base_url)])
        await wait_until(lambda: seen(home, office) == ["m"])
        async with stream_model(home, "m", ASKED) as events:
            await anext(events)
            home.stop()
            with pytest.raises(ModelError) as caught:
                await anext(events)
        assert caught.value.code == "stopping"


async def test_a_plugin_says_that_its_models_are_others(
    mesh: MeshFactory, upstreaming: Upstreaming
) -> None:
    async with (
        upstreaming(says("one")) as up,
        mesh(PAIR, plugins=[ModelProxyPlugin, Provider]) as nodes,
    ):
        home, office = nodes["home"], nodes["office"]
        provider = office.plugins.find(Provider)
        assert provider is not None
        provider.models = [ModelUpstream("m", up.base_url)]
        await models_changed(office)
        await wait_until(lambda: seen(home, office) == ["m"])
        assert await ask_model(home, "m", ASKED) == {"id": "one"}


async def test_a_stream_under_way_goes_on_with_the_upstream_that_it_began_with(
    mesh: MeshFactory, upstreaming: Upstreaming
) -> None:
    go_on = anyio.Event()

    async def stream(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await go_on.wait()
        await asked.chunk(EVENT + DONE)
        await asked.end_stream()

    async with (
        upstreaming(stream) as old,
        upstreaming(says("new")) as new,
        mesh(PAIR, plugins=[ModelProxyPlugin]) as nodes,
    ):
        home, office = nodes["home"], nodes["office"]
        await serve_models(office, [ModelUpstream("m", old.base_url)])
        await wait_until(lambda: seen(home, office) == ["m"])
        async with stream_model(home, "m", ASKED) as events:
            await anext(events)
            await serve_models(office, [ModelUpstream("m", new.base_url)])
            assert await ask_model(home, "m", ASKED) == {"id": "new"}
            go_on.set()
            assert len([event async for event in events]) == 1
    assert (len(old.asked), len(new.asked)) == (1, 1)


async def test_they_stand_beside_the_configured_ones_and_outlast_a_reload(
    node_factory: NodeFactory,
) -> None:
    def table(*ids: str) -> dict[str, Any]:
        return {"models": [model(NOWHERE, id=id_) for id_ in ids]}

    node = node_factory(
        "here", built_in=(), plugins=[ModelProxyPlugin()], config={"model-proxy": table("a")}
    )
    async with node:
        await serve_models(node, [ModelUpstream("host", NOWHERE)])
        assert offered(node) == ["a", "host"]
        told = {"node_id": "here", "secret": SECRET, "model-proxy": table("b")}
        await node.reload(Config.from_mapping(told))
        assert offered(node) == ["b", "host"]


def offered(node: Node) -> list[str]:
    return [one["id"] for one in node.offers()["models"]]


async def test_a_model_that_is_not_right_is_named_and_changes_nothing(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("here", built_in=(), plugins=[ModelProxyPlugin()]) as node:
        await serve_models(node, [ModelUpstream("m", NOWHERE)])
        wrong = [
            ([ModelUpstream("x", "pigeon")], ValueError, "the model 'x': "),
            ([ModelUpstream("x", NOWHERE)] * 17, ValueError, "'x' has more than 16 upstreams"),
            (
                [ModelUpstream(f"x{number}", NOWHERE) for number in range(10_001)],
                ValueError,
                '^the model "x10000" is one too many',
            ),
            (
                [ModelUpstream("x", NOWHERE, api="coo")],
                StartError,
                'no loaded plugin has the API "coo"',
            ),
        ]
        for models, kind, words in wrong:
            with pytest.raises(kind, match=words):
                await serve_models(node, models)
            assert offered(node) == ["m"]
        await models_changed(node)
        assert offered(node) == ["m"]


async def test_a_plugin_that_starts_before_the_model_proxy_may_say_so_too(
    node_factory: NodeFactory,
) -> None:
    class Early(Provider):
        @hookimpl
        async def start_plugin(self, node: Node) -> None:
            """Offer a model at once."""
            self.models = [ModelUpstream("early", NOWHERE)]
            await models_changed(node)
            await serve_models(node, [ModelUpstream("given", NOWHERE)])

    plugins = [Early(), ModelProxyPlugin()]
    async with node_factory("here", built_in=(), plugins=plugins) as node:
        assert offered(node) == ["early", "given"]  # in order of loading


async def test_where_nobody_serves_models_it_is_an_error(node_factory: NodeFactory) -> None:
    node = node_factory("here", built_in=(), plugins=[ModelProxyPlugin()])
    with pytest.raises(LocalProtocolError, match="here does not run yet: call this inside"):
        await serve_models(node, [])
    with pytest.raises(LocalProtocolError, match="here does not run yet"):
        await ask_model(node, "m", ASKED)
    async with node_factory("bare", built_in=()) as bare:
        told = "^bare runs no model-proxy plugin: it is disabled, not among the plugins chosen$"
        with pytest.raises(LocalProtocolError, match=told):
            await serve_models(bare, [])
    async with node:
        pass
    with pytest.raises(LocalProtocolError, match="stopping"):
        await serve_models(node, [ModelUpstream("m", NOWHERE)])


@pytest.mark.parametrize("models", [["q"], "q", ModelUpstream("q", NOWHERE), [None]])
async def test_what_is_no_list_of_models_is_told(models: Any, node_factory: NodeFactory) -> None:
    async with node_factory("a", built_in=["mesh", "model-proxy"]) as node:
        with pytest.raises(TypeError, match=r"^serve_models takes a list of ModelUpstream"):
            await serve_models(node, models)
        with pytest.raises(TypeError, match=r"^the model 'q': base_url: expected str, not int$"):
            await serve_models(node, [ModelUpstream("q", 7)])  # type: ignore[arg-type]
