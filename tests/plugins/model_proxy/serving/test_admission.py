"""Who may use the models of a node: asked by the proved key, with one refusal for all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.members.identity import key_text
from clawmatrix_core.policy.verdict import LOCAL, NOT_ALLOWED, Verdict
from clawmatrix_core.testing.fixtures import SECRET
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from clawmatrix_model_proxy.wire import REQUEST, Head, Opening, StoredAction, read_head
from tests.plugins.model_proxy.keeping import KeepingUpstream, ask_office
from tests.plugins.model_proxy.serving.serving import BODY, model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Asked, Upstream, Upstreaming

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


class Engine:
    """A policy of a host: says what a test has it say, and keeps what it was asked."""

    def __init__(self, answer: Verdict | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[NodeId, str | None, str, str, Mapping[str, JSON] | None]] = []

    @hookimpl
    async def authorize(
        self,
        peer: NodeId,
        key: str | None,
        action: str,
        target: str,
        arguments: Mapping[str, JSON] | None,
    ) -> Verdict | None:
        self.asked.append((peer, key, action, target, arguments))
        return self.answer


async def ask_for(model: str, by: Node, of: Node) -> Head:
    """Return the head of the answer. Raises: ExchangeError."""
    async with by.exchange(of.id, REQUEST, Opening("chat", model)) as exchange:
        await exchange.finish(BODY)
        return read_head(await exchange.receive())


class Serves:
    """A node ``office`` that serves the model ``m``, and ``home``, which asks for it."""

    def __init__(self, office: Node, home: Node, upstream: Upstream) -> None:
        self.office, self.home, self.upstream = office, home, upstream

    async def ask(self, by: Node, model: str = "m") -> Head:
        """Return the head of the answer. Raises: ExchangeError."""
        return await ask_for(model, by, self.office)

    async def refusal(self, by: Node, model: str = "m") -> tuple[str, str, object]:
        """Return what a node is told that may not use a model; nothing went on to its upstream."""
        before = len(self.upstream.asked)
        with pytest.raises(ExchangeFailure) as caught:
            await self.ask(by, model)
        assert len(self.upstream.asked) == before
        return caught.value.code, str(caught.value), caught.value.detail


Serving = Callable[..., AbstractAsyncContextManager[Serves]]


@pytest.fixture
def serves(node_factory: NodeFactory, upstreaming: Upstreaming) -> Serving:
    """Run both nodes; the arguments are for ``office``."""

    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"id": "one"}')

    @asynccontextmanager
    async def run(
        *plugins: object, config: Mapping[str, object] | None = None, **table: Any
    ) -> AsyncIterator[Serves]:
        async with upstreaming(answer) as upstream:
            told = {"models": [model(upstream.base_url)], **table}
            office = node_factory(
                "office",
                plugins=[ModelProxyPlugin(), *plugins],
                config={"model-proxy": told, **(config or {})},
            )
            home = node_factory("home", dials=["office"], plugins=[ModelProxyPlugin()])
            async with office, home:
                yield Serves(office, home, upstream)

    return run


NOT_HERE = ("model_not_found", NOT_ALLOWED, None)


async def test_without_a_policy_all_members_may(serves: Serving) -> None:
    async with serves() as both:
        assert both.office.authorizers == ()
        assert (await both.ask(both.home)).status == 200


async def test_a_plugin_is_asked_by_the_proved_key_before_the_upstream_is(
    serves: Serving,
) -> None:
    engine = Engine(Verdict("allow"))
    async with serves(engine) as both:
        assert (await both.ask(both.home)).status == 200
        key = key_text(both.home.identity.sign_public)
        assert engine.asked == [("home", key, "model", "m", {})]
        engine.answer = Verdict("deny", "home may not")
        assert await both.refusal(both.home) == NOT_HERE


@pytest.mark.parametrize("effect", ["ask", "deny"])
async def test_a_model_that_is_denied_and_one_that_is_not_there_have_one_refusal(
    serves: Serving, effect: Any
) -> None:
    engine = Engine(Verdict(effect, "a reason for this node's people", "rules[7]"))
    async with serves(engine) as both:
        denied = await both.refusal(both.home)
        assert denied == await both.refusal(both.home, "nothing") == NOT_HERE
        engine.answer = Verdict("allow")
        assert await both.refusal(both.home, "nothing") == NOT_HERE


async def test_a_node_that_serves_nothing_refuses_in_the_same_words(
    node_factory: NodeFactory,
) -> None:
    office = node_factory("office", plugins=[ModelProxyPlugin()])
    home = node_factory("home", dials=["office"], plugins=[ModelProxyPlugin()])
    async with office, home:
        with pytest.raises(ExchangeFailure) as caught:
            await ask_for("m", home, office)
        assert (caught.value.code, str(caught.value), caught.value.detail) == NOT_HERE


@pytest.mark.faults_expected
async def test_a_plugin_that_fails_denies_and_its_reason_stays_here(
    serves: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaks:
        @hookimpl
        async def authorize(self) -> Verdict | None:
            raise LookupError("no rules")

    async with serves(Breaks(), Engine(Verdict("allow"))) as both:
        assert await both.refusal(both.home) == NOT_HERE
        assert both.office.counters["model_model_not_found"] == 1
    assert "Breaks could not decide" in caplog.text


async def test_the_nodes_own_clients_are_asked_for_under_their_name(
    serves: Serving,
) -> None:
    engine = Engine()
    async with serves(engine) as both:
        assert (await both.ask(both.office)).status == 200
        assert engine.asked == [(LOCAL, None, "model", "m", {})]
        engine.answer = Verdict("deny")
        assert await both.refusal(both.office) == NOT_HERE


async def test_a_response_that_an_upstream_keeps_is_denied_like_its_model(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    engine, upstream = Engine(Verdict("allow")), KeepingUpstream()
    async with upstreaming(upstream.answer) as running:
        models = [model(running.base_url, api="openai-responses")]
        table = {"model-proxy": {"models": models}}
        office = node_factory("office", plugins=[ModelProxyPlugin(), engine], config=table)
        home = node_factory("home", dials=["office"], plugins=[ModelProxyPlugin()])
        async with office, home:
            _, made = await ask_office(home, {"model": "m", "input": "hello"})
            stored = StoredAction(made["id"])
            assert (await ask_office(home, stored=stored))[0].status == 200
            assert [asked[3] for asked in engine.asked] == ["m", "m"]
            engine.answer = Verdict("deny")
            before = len(upstream.asked)
            with pytest.raises(ExchangeFailure) as caught:
                await ask_office(home, stored=stored)
            assert (caught.value.code, str(caught.value), caught.value.detail) == NOT_HERE
            assert len(upstream.asked) == before


# --- members


async def test_granted_wants_the_yes_of_a_plugin_for_each_member(
    serves: Serving,
) -> None:
    engine = Engine()
    async with serves(engine, members="granted") as both:
        assert await both.refusal(both.home) == NOT_HERE
        engine.answer = Verdict("allow")
        assert (await both.ask(both.home)).status == 200


async def test_granted_without_any_plugin_leaves_the_models_to_this_node(
    serves: Serving,
) -> None:
    async with serves(members="granted") as both:
        assert await both.refusal(both.home) == NOT_HERE
        assert (await both.ask(both.office)).status == 200


async def test_who_may_changes_with_a_reload(serves: Serving) -> None:
    async with serves() as both:
        office = both.office
        raw = {"node_id": "office", "secret": SECRET, "mesh": {"listen_url": "memory://office"}}
        table = {"models": [model(both.upstream.base_url)], "members": "granted"}
        await office.reload(Config.from_mapping({**raw, "model-proxy": table}))
        assert await both.refusal(both.home) == NOT_HERE


# --- grants


class Grants:
    """A plugin of that name that does not start."""

    plugin_name = "grants"

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        raise LookupError("no rules")

    @hookimpl
    async def authorize(self) -> Verdict | None:
        return Verdict("allow")


@pytest.mark.faults_expected
async def test_a_table_of_grants_whose_plugin_failed_denies_models_to_all(
    serves: Serving,
) -> None:
    async with serves(Grants(), config={"grants": {}}) as both:
        assert both.office.authorizers == ("grants",)
        assert await both.refusal(both.home) == NOT_HERE
        assert await both.refusal(both.office) == NOT_HERE
