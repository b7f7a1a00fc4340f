"""Prompts for ``node/model`` while another member offers what looks like it, on nodes that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, WAIT_LIMIT, wait_until
from clawmatrix_model_proxy.asking.names import STATE
from tests.core.members.members import Member
from tests.plugins.model_proxy.asking.asking import NOWHERE, TOGETHER, Client, request

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

SHADOWS = ("qwen3", "office/qwen3", "office/org/big", "OFFICE/qwen3", "my-lab/qwen3", "plain/one")


async def answer(asked: Asked) -> None:
    """Answer a request in the API of its path."""
    if b"/responses" in asked.head.split(b"\r\n")[0]:
        await asked.answer(b'{"id": "resp_1", "object": "response", "status": "completed"}')
    else:
        await asked.answer(b'{"id": "c1"}')


def models(*ids: str, url: str = NOWHERE, api: str = "openai-completions") -> list[dict[str, Any]]:
    """Return entries of ``[[model-proxy.models]]``."""
    return [{"id": id_, "base_url": url, "api": api} for id_ in ids]


@attrs.define
class Mesh:
    """Nodes in a star around hub, each with the state that it had before.

    Attributes:
        nodes: those that run, by name.
    """

    factory: NodeFactory
    nodes: dict[str, Node] = attrs.field(factory=dict)
    _states: dict[str, MemoryState] = attrs.field(factory=dict)
    _tasks: TaskGroup = attrs.field(init=False)
    _ended: dict[str, anyio.Event] = attrs.field(factory=dict)

    async def start(
        self,
        name: str,
        offered: list[dict[str, Any]] | None = None,
        *,
        apart: str = "",
        **table: Any,
    ) -> Node:
        """Run a node, which offers these models, until ``stop``; one other is not for it."""
        dials = [] if name == "hub" else ["hub"]
        config = {"model-proxy": {"models": offered or [], **table}}
        state = self._states.setdefault(name, MemoryState())
        node = self.factory(name, dials=dials, built_in=TOGETHER, config=config, state=state)
        await self._tasks.start(self._run, name, node)
        others = [NodeId(other) for other in self.nodes if other != apart]
        await wait_until(lambda: all(node.reachable(other) for other in others))
        return node

    async def _run(self, name: str, node: Node, *, task_status: TaskStatus[None]) -> None:
        # In a task of its own, since nodes stop in any order.
        self._ended[name] = anyio.Event()
        async with node:
            self.nodes[name] = node
            task_status.started()
            await node.wait_stop()
        self._ended[name].set()

    async def stop(self, name: str) -> None:
        """Stop a node."""
        gone = self.nodes.pop(name)
        gone.stop()
        await self._ended[name].wait()
        await wait_until(lambda: not any(n.reachable(gone.id) for n in self.nodes.values()))

    async def __aenter__(self) -> Mesh:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        for node in self.nodes.values():
            node.stop()
        await self._tasks.__aexit__(*error)

    async def offered(self, id_: str, by: str, at: str = "home") -> None:
        """Return when a node lists a model by another, and that one has proved itself."""
        with anyio.fail_after(WAIT_LIMIT):
            while not await self._is_offered(id_, by, self.nodes[at]):  # noqa: ASYNC110 - it has no event
                await anyio.sleep(0.02)

    async def _is_offered(self, id_: str, by: str, at: Node) -> bool:
        told = await control(at, "models")
        nodes = [node for model in told["models"] if model["id"] == id_ for node in model["nodes"]]
        listed = any(node["nodeId"] == by and node["reachable"] for node in nodes)
        return listed and at.trust.proven_since(NodeId(by)) is not None

    async def ask(self, model: str, at: str = "home") -> tuple[int, str | None]:
        """Return the status of an answer, and which node it is from."""
        client = Client(self.nodes[at])
        await client.ask(request(model=model))
        return client.status, client.headers.get("x-clawmatrix-node")

    async def reload(self, name: str, offered: list[dict[str, Any]]) -> None:
        """Have a node offer other models."""
        mesh = {"listen_url": f"memory://{name}", "peers": ["memory://hub"]}
        raw = {"node_id": name, "secret": SECRET, "mesh": mesh, "model-proxy": {"models": offered}}
        await self.nodes[name].reload(Config.from_mapping(raw))


async def control(at: Node, method: str, **params: str) -> Any:
    """Call a method of the control socket."""
    [found] = [one for one in at.control_methods() if one.name == method]
    assert found.call is not None
    return await found.call(dict(params))


async def test_a_pin_shadowed_by_another_members_id_stays_with_its_node(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as good, upstreaming(answer) as evil, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        await mesh.start("office", models("qwen3", "org/big", url=good.base_url))
        await mesh.start("home")
        await mesh.offered("qwen3", "office")
        await mesh.start("Aaa", models(*SHADOWS, url=evil.base_url))
        await mesh.offered("plain/one", "Aaa")
        for model in ("qwen3", "office/qwen3", "office/org/big"):
            assert await mesh.ask(model) == (200, "office")
            assert await mesh.ask(model, at="office") == (200, "office")
        assert await mesh.ask("plain/one") == (200, "Aaa")  # nobody is called plain
        for model in ("OFFICE/qwen3", "Aaa/office/qwen3", "office//qwen3", "office/plain/one"):
            assert (await mesh.ask(model))[0] == 404
        assert len(evil.asked) == 1

        await mesh.reload("office", models("qwen4", url=good.base_url))
        await mesh.offered("qwen4", "office")
        for model in ("office/qwen3", "office/org/big"):
            assert (await mesh.ask(model))[0] == 404
        await mesh.stop("office")
        assert (await mesh.ask("office/qwen4"))[0] == 502
        await mesh.stop("home")
        home = await mesh.start("home")
        await mesh.offered("plain/one", "Aaa")
        assert (await mesh.ask("office/qwen4"))[0] in (404, 502)
        assert (await mesh.ask("office/qwen3"))[0] in (404, 502)
        await control(home, "trust.forget", node="office")
        assert (await mesh.ask("office/qwen3"))[0] in (404, 502)
        assert len(evil.asked) == 1

        await mesh.start("office", models("qwen3", url=good.base_url))
        await mesh.offered("qwen3", "office")
        assert await mesh.ask("office/qwen3") == (200, "office")


async def test_a_pin_is_not_taken_after_a_revocation_nor_when_it_is_undone(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as good, upstreaming(answer) as evil, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        home = await mesh.start("home")
        await mesh.start("office", models("qwen3", url=good.base_url))
        await mesh.start("mallory", models("office/qwen3", "m", url=evil.base_url))
        await mesh.offered("qwen3", "office")
        await mesh.offered("m", "mallory")
        assert await mesh.ask("office/qwen3") == (200, "office")
        await control(home, "revoke.add", node="office")
        await wait_until(lambda: home.directory.get(NodeId("office")) is None)
        assert (await mesh.ask("office/qwen3"))[0] == 404
        await mesh.stop("home")
        home = await mesh.start("home", apart="office")
        await mesh.offered("m", "mallory")
        assert (await mesh.ask("office/qwen3"))[0] == 404
        await control(home, "revoke.undo", node="office")
        assert (await mesh.ask("office/qwen3"))[0] in (200, 502)
        await wait_until(lambda: home.reachable(NodeId("office")))
        await mesh.offered("qwen3", "office")
        assert await mesh.ask("office/qwen3") == (200, "office")
        assert evil.asked == []


async def test_every_api_and_every_list_is_of_one_mind(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as evil, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        home = await mesh.start("home")
        await mesh.start("office", models("else"))
        await mesh.start("mallory", models("office/qwen3", "m", url=evil.base_url))
        await mesh.offered("else", "office")
        await mesh.offered("m", "mallory")
        for path in ("chat/completions", "responses", "messages", "embeddings"):
            client = Client(home)
            body = b'{"model": "office/qwen3", "messages": [], "input": "x", "max_tokens": 9}'
            await client.call(f"/v1/{path}", f"/v1/{path}", body)
            assert client.status == 404
        client = Client(home)
        listed = await client.get("/v1/models")
        ids = ["else", "m", "mallory/m", "office/else"]
        assert [one["id"] for one in listed["data"]] == ids
        listed = await Client(home).get("/v1/models", **{"anthropic-version": "2023-06-01"})
        assert [one["id"] for one in listed["data"]] == ids
        for name in ("office/qwen3", "mallory/office/qwen3"):
            client = Client(home)
            await client.call("/v1/models/{id:path}", f"/v1/models/{name}", b"", id=name)
            assert client.status == 404
        told = await control(home, "models")
        assert [model["id"] for model in told["models"]] == ["else", "m"]
        assert evil.asked == []


async def test_the_doctor_and_the_counters_name_who_offers_what_looks_like_a_pin(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as up, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        home = await mesh.start("home", models("office/mine", url=up.base_url))
        [check] = [one for one in home.checks() if one.name == "model-proxy.names"]
        assert [finding.status for finding in await check.run()] == ["ok"]
        await mesh.start("office", models("else"))
        await mesh.start("mallory", models(*(f"office/{number}" for number in range(5)), "m"))
        await mesh.offered("else", "office")
        await mesh.offered("m", "mallory")
        [finding] = await check.run()
        assert finding.status == "warning"
        assert finding.detail.startswith("mallory offers office/0, office/1, office/2 and 2 more")
        assert home.counters["taken_name"] == 1
        assert await mesh.ask("office/mine") == (200, "home")  # it was there before the node
        assert await mesh.ask("office/else") == (502, "office")  # the node's upstream is nowhere


async def test_a_response_of_a_member_whose_id_became_a_pin_is_not_gone_on_with(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    path, again = "/v1/responses", b', "previous_response_id": "resp_1"'
    body = b'{"model": "late/qwen3", "input": "x"%s}'
    async with upstreaming(answer) as good, upstreaming(answer) as evil, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        home = await mesh.start("home")
        api = "openai-responses"
        await mesh.start("mallory", models("late/qwen3", url=evil.base_url, api=api))
        await mesh.offered("late/qwen3", "mallory")
        for more in (b"", again):
            client = Client(home)
            await client.call(path, path, body % more)
            assert (client.status, client.headers["x-clawmatrix-node"]) == (200, "mallory")
        await mesh.start("late", models("qwen3", url=good.base_url, api=api))
        await mesh.offered("qwen3", "late")
        client = Client(home)
        await client.call(path, path, body % again)
        assert (client.status, client.error["code"]) == (400, "previous_response_not_found")
        client = Client(home)
        await client.call(path, path, body % b"")
        assert (client.status, client.headers["x-clawmatrix-node"]) == (200, "late")
        assert len(evil.asked) == 2


async def test_gossip_does_not_turn_a_publisher_into_a_node(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as good, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        home = await mesh.start("home")
        await mesh.start("office", models("meta-llama/Llama-3", url=good.base_url))
        await mesh.offered("meta-llama/Llama-3", "office")
        assert await mesh.ask("meta-llama/Llama-3") == (200, "office")
        made_up = Member("meta-llama")
        offers = {"models": [{"id": "Llama-3"}]}
        links = {NodeId("hub"): 0.01}
        for node in mesh.nodes.values():
            node.accept_record(made_up.signed(instance="x", offers=offers, links=links))
        for name in ("meta-llama/Llama-3", "office/meta-llama/Llama-3"):
            assert await mesh.ask(name) == (200, "office")
        await wait_until(lambda: "claims" in (mesh._states["home"].read(STATE) or {}))
        await mesh.stop("home")
        home = await mesh.start("home")
        home.accept_record(made_up.signed(instance="x", offers=offers, links=links))
        await mesh.offered("meta-llama/Llama-3", "office")
        assert await mesh.ask("meta-llama/Llama-3") == (200, "office")


async def test_a_bare_id_goes_to_this_node_first_and_then_to_the_one_known_for_longest(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as up, Mesh(node_factory) as mesh:
        served = models("m", url=up.base_url)
        await mesh.start("hub")
        await mesh.start("home")
        for name in ("zoe", "Aaa", "bob"):
            await mesh.start(name, served)
            await mesh.offered("m", name)
        told = await control(mesh.nodes["home"], "models")
        [model] = told["models"]
        assert [node["nodeId"] for node in model["nodes"]] == ["zoe", "Aaa", "bob"]
        assert await mesh.ask("m") == (200, "zoe")
        for name in ("Aaa", "zoe", "bob"):
            assert await mesh.ask("m", at=name) == (200, name)
        await mesh.stop("home")
        await mesh.stop("zoe")
        await mesh.start("home")
        await mesh.start("zoe", served)
        for name in ("zoe", "Aaa", "bob"):
            await mesh.offered("m", name)
        assert await mesh.ask("m") == (200, "zoe")
        await control(mesh.nodes["home"], "trust.forget", node="zoe")
        await mesh.stop("zoe")
        await mesh.start("zoe", served)
        await mesh.offered("m", "zoe")
        assert await mesh.ask("m") == (200, "Aaa")


async def test_a_member_attracts_prompts_for_a_bare_id_when_those_before_it_fail(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(answer) as good, upstreaming(answer) as evil, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        await mesh.start("home")
        await mesh.start("office", models("m", url=good.base_url))
        await mesh.offered("m", "office")
        await mesh.start("Aaa", models("m", url=evil.base_url))
        await mesh.offered("m", "Aaa")
        assert await mesh.ask("m") == (200, "office")
        await mesh.reload("office", models("m", "other"))  # its upstream is nowhere
        await mesh.offered("other", "office")
        assert await mesh.ask("m") == (200, "Aaa")
        assert await mesh.ask("office/m") == (502, "office")
        await mesh.stop("home")
        await mesh.start("home", nodes=["office"])
        await mesh.offered("m", "office")
        assert (await mesh.ask("m"))[0] == 502
        assert (await mesh.ask("Aaa/m"))[0] == 404
        assert len(evil.asked) == 1


async def test_a_member_that_takes_a_publishers_name_has_it_unless_the_configuration_says_otherwise(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    llama = "meta-llama/Llama-3"
    async with upstreaming(answer) as good, upstreaming(answer) as evil, Mesh(node_factory) as mesh:
        await mesh.start("hub")
        await mesh.start("home")
        await mesh.start("careful", publishers=["meta-llama"])
        await mesh.start("choosy", nodes=["office"])
        await mesh.start("office", models(llama, url=good.base_url))
        at = ("home", "careful", "choosy", "office")
        for name in at[:3]:
            await mesh.offered(llama, "office", at=name)
        await mesh.start("meta-llama", models("Llama-3", url=evil.base_url))
        for name in ("home", "careful", "office"):
            await mesh.offered("Llama-3", "meta-llama", at=name)
        asked = {name: await mesh.ask(llama, at=name) for name in at}
        assert asked == {
            "home": (200, "meta-llama"),
            "careful": (200, "office"),
            "choosy": (200, "office"),
            "office": (200, "office"),
        }
        assert await mesh.ask(f"office/{llama}") == (404, None)
