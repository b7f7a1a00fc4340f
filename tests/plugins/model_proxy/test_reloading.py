"""What of ``[model-proxy]`` changes while the node runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import Config
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, wait_until
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from clawmatrix_model_proxy.wire import REQUEST, Opening, read_head
from tests.plugins.model_proxy.serving.serving import BODY, DONE, EVENT, ask, ask_code, model

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from tests.plugins.model_proxy.conftest import Asked, Serving, Upstreaming

pytestmark = pytest.mark.anyio


def told(**table: Any) -> Config:
    return Config.from_mapping({"node_id": "here", "secret": "s" * 40, "model-proxy": table})


async def answer_at_once(asked: Asked) -> None:
    await asked.answer(b'{"id": 1}')


async def test_a_node_without_models_begins_to_serve_and_ends_it(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer_at_once) as up, serving() as node:
        assert await ask_code(node) == ("model_not_found", False)
        await node.reload(told(models=[model(up.base_url)]))
        assert (await ask(node))[1] == b'{"id": 1}'
        assert [offer["id"] for offer in node.offers()["models"]] == ["m"]
        await node.reload(told())
        assert await ask_code(node) == ("model_not_found", False)
        assert node.offers().get("models", []) == []
        await node.reload(told(models=[model(up.base_url)]))
        assert (await ask(node))[1] == b'{"id": 1}'


async def test_new_models_are_in_the_record_at_other_nodes(node_factory: NodeFactory) -> None:
    a = node_factory("a", plugins=[ModelProxyPlugin()])
    async with a, node_factory("b", dials=["a"]) as b:
        await wait_until(lambda: b.directory.get(a.id) is not None)
        raw = {"node_id": "a", "secret": SECRET, "mesh": {"listen_url": "memory://a"}}
        table = {"models": [model("http://127.0.0.1:9/v1")]}
        await a.reload(Config.from_mapping({**raw, "model-proxy": table}))

        def offered() -> list[str]:
            peer = b.directory.get(a.id)
            assert peer is not None
            return [entry["id"] for entry in peer.record.offers.get("models", [])]

        await wait_until(lambda: offered() == ["m"])


async def test_a_stream_of_the_old_upstream_goes_on_while_new_requests_go_to_the_new_one(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    go_on = anyio.Event()

    async def stream(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(EVENT)
        await go_on.wait()
        await asked.chunk(DONE)
        await asked.end_stream()

    async with upstreaming(stream) as old, upstreaming(answer_at_once) as new:
        models = [model(old.base_url)]
        async with (
            serving(models=models) as node,
            node.exchange(node.id, REQUEST, Opening("chat", "m", True)) as exchange,
        ):
            await exchange.finish(BODY)
            read_head(await exchange.receive())
            assert await exchange.receive() == EVENT
            await node.reload(told(models=[model(new.base_url)], idle_timeout=0.001))
            assert (await ask(node))[1] == b'{"id": 1}'
            go_on.set()
            assert b"".join([piece async for piece in exchange]) == DONE
        assert (len(old.asked), len(new.asked)) == (1, 1)


async def test_time_limits_and_keys_are_taken_over(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        if b"authorization: bearer right-key" in asked.head.lower():
            await answer_at_once(asked)
        else:
            await anyio.sleep_forever()

    async with upstreaming(answer) as up, serving() as node:
        await node.reload(
            told(models=[model(up.base_url, api_key="wrong")], first_byte_timeout=0.2)
        )
        assert (await ask_code(node))[0] == "upstream_timeout"
        keyed = model(up.base_url, api_key="right-key")
        await node.reload(told(models=[keyed], first_byte_timeout=5))
        assert (await ask(node))[1] == b'{"id": 1}'


async def test_which_nodes_get_prompts_is_taken_over(node_factory: NodeFactory) -> None:
    table: dict[str, Any] = {"models": [model("http://127.0.0.1:9/v1")]}
    raw = {"node_id": "here", "secret": SECRET}
    plugins = [ModelProxyPlugin()]
    async with node_factory(
        "here", built_in=(), plugins=plugins, config={"model-proxy": table}
    ) as node:
        assert await served_by(node) == ["here"]
        narrowed = {**raw, "model-proxy": {**table, "nodes": ["office"]}}
        await node.reload(Config.from_mapping(narrowed))
        assert await served_by(node) == []


async def served_by(node: Node) -> list[str]:
    """Return the nodes that may be asked for any model."""
    [method] = [one for one in node.control_methods() if one.name == "models"]
    assert method.call is not None
    listed = (await method.call({}))["models"]
    return [one["nodeId"] for entry in listed for one in entry["nodes"]]


async def test_an_api_that_nobody_speaks_is_named_and_the_models_stay(
    node_factory: NodeFactory,
) -> None:
    table: dict[str, Any] = {"models": [model("http://127.0.0.1:9/v1")]}
    config = {"model-proxy": table}
    async with node_factory(
        "here", built_in=(), plugins=[ModelProxyPlugin()], config=config
    ) as node:
        strange = {
            "models": [{"id": "other", "base_url": "http://127.0.0.1:9", "api": "pigeon:coo"}]
        }
        raw = {"node_id": "here", "secret": SECRET, "model-proxy": strange}
        with pytest.raises(ConfigError) as caught:
            await node.reload(Config.from_mapping(raw))
        [problem] = caught.value.problems
        assert problem.startswith('model-proxy.models[0].api: no plugin in use has the API "pigeon')
        assert [offer["id"] for offer in node.offers()["models"]] == ["m"]
