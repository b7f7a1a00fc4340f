"""The plugin in a node: when it decides, by which table, and what it is without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.members.identity import fingerprint
from clawmatrix_core.policy.verdict import LOCAL, Verdict
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import plugin_of, reload
from clawmatrix_grants.plugin import GrantsPlugin
from tests.plugins.grants.helpers import HOME, KEY, NOW

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.policy.verdict import Action
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

KEYED: dict[str, Any] = {"home": {"key": KEY.key_text, "tools": ["bell"]}}
ACTIONS: tuple[Action, ...] = ("model", "tool", "agent", "workspace", "resource")


async def effect(node: Node, action: Action = "tool", target: str = "bell") -> str:
    return (await node.authorize(HOME, KEY.sign_public, action, target, {})).effect


@pytest.mark.both_loops
async def test_without_a_table_it_leaves_all_to_others(node_factory: NodeFactory) -> None:
    async with node_factory("office", plugins=[GrantsPlugin()]) as node:
        assert node.authorizers == (), "a call of a model is to cost nothing"
        assert [await effect(node, action) for action in ACTIONS] == ["allow", *["deny"] * 4]
        assert plugin_of(node, GrantsPlugin).policy(node) is None


class Engine:
    """A host's own policy."""

    @hookimpl
    async def authorize(self) -> Verdict | None:
        return Verdict("allow")


async def test_without_a_table_a_hosts_own_policy_decides(node_factory: NodeFactory) -> None:
    async with node_factory("office", plugins=[GrantsPlugin(), Engine()]) as node:
        assert node.authorizers == ("Engine",)
        assert await effect(node) == "allow"
    config: dict[str, Any] = {"grants": {}}
    async with node_factory("lab", plugins=[GrantsPlugin(), Engine()], config=config) as node:
        assert set(node.authorizers) == {"grants", "Engine"}
        assert await effect(node) == "deny", "both have to allow it"


async def test_with_a_table_all_is_denied_that_it_does_not_allow_but_models(
    node_factory: NodeFactory,
) -> None:
    for table in ({}, KEYED):
        async with node_factory(
            "office", plugins=[GrantsPlugin()], config={"grants": table}
        ) as node:
            assert node.authorizers == ("grants",)
            found = [await effect(node, action, "x") for action in ACTIONS]
            assert found == ["allow", *["deny"] * 4]


async def test_a_verdict_has_its_rule_and_its_plugin(node_factory: NodeFactory) -> None:
    async with node_factory("office", plugins=[GrantsPlugin()], config={"grants": KEYED}) as node:
        found = await node.authorize(HOME, KEY.sign_public, "tool", "bell", {})
        assert (found.effect, found.rule, found.plugin) == ("allow", "grants.home.tools", "grants")
        found = await node.authorize(LOCAL, None, "tool", "bell", {})
        assert (found.effect, found.rule, found.plugin) == ("deny", "grants", "grants")
        assert "@local" in found.reason


@pytest.mark.both_loops
async def test_another_table_counts_from_its_reload_on(node_factory: NodeFactory) -> None:
    async with node_factory("office", plugins=[GrantsPlugin()]) as node:
        plugin = plugin_of(node, GrantsPlugin)
        changes = await reload(node, {"grants": KEYED})
        assert changes.reloaded == {"grants"}
        assert await effect(node) == "allow"
        first = plugin.policy(node)
        await reload(node, {"grants": {"home": {"tools": ["other"]}}})
        assert await effect(node) == "deny"
        second = plugin.policy(node)
        assert first is not None
        assert second is not None
        assert first.digest != second.digest
        assert plugin.policy(node) is second, "it is made once"
        with pytest.raises(ConfigError, match=r'grants\."\*"\.tools: all members'):
            await reload(node, {"grants": {"*": {"tools": ["bell"]}}})
        assert plugin.policy(node) is second
        await reload(node, {"grants": None})
        assert node.authorizers == ()
        # A table with nothing in it denies, although no key of it reads differently.
        await reload(node, {"grants": {}})
        assert await effect(node) == "deny"
        assert await effect(node, "model") == "allow"


async def test_a_key_counts_from_the_moment_in_which_a_person_accepts_it(
    node_factory: NodeFactory,
) -> None:
    config = {"grants": {"home": {"tools": ["bell"]}}}
    async with node_factory("office", plugins=[GrantsPlugin()], config=config) as node:
        node.trust.check(HOME, KEY.sign_public, proven=True, now=NOW)
        assert await effect(node) == "deny"
        node.trust.accept(HOME, fingerprint(KEY.sign_public))
        assert await effect(node) == "allow"
        node.trust.forget(HOME)
        assert await effect(node) == "deny"


# --- where the table is there and the plugin does not work


class DoesNotStart(GrantsPlugin):
    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        raise LookupError("no rules")


@pytest.mark.faults_expected
async def test_one_that_fails_as_it_starts_denies_everything(node_factory: NodeFactory) -> None:
    async with node_factory("office", plugins=[DoesNotStart()], config={"grants": KEYED}) as node:
        assert node.authorizers == ("grants",)
        assert [await effect(node, action) for action in ACTIONS] == ["deny"] * 5


@pytest.mark.faults_expected
async def test_one_that_fails_without_a_table_denies_no_model(node_factory: NodeFactory) -> None:
    async with node_factory("office", plugins=[DoesNotStart()]) as node:
        assert node.authorizers == ()
        assert [await effect(node, action) for action in ACTIONS] == ["allow", *["deny"] * 4]
        await reload(node, {"node_id": "office", "grants": {}})
        assert [await effect(node, action) for action in ACTIONS] == ["deny"] * 5


@pytest.mark.faults_expected
async def test_one_that_is_taken_out_denies_everything_from_then_on(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("office", plugins=[GrantsPlugin()], config={"grants": KEYED}) as node:
        assert await effect(node) == "allow"
        node.hooks.fail("grants", "taken out by a test")
        await wait_until(lambda: node.authorizers == ("grants",))
        assert [await effect(node, action) for action in ACTIONS] == ["deny"] * 5


class Broken(GrantsPlugin):
    """Cannot put its table into another form."""

    async def serve(self) -> Any:
        raise LookupError("no form")


@pytest.mark.faults_expected
async def test_one_that_cannot_use_a_new_table_denies_everything(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("office", plugins=[Broken()]) as node:
        assert await effect(node, "model") == "allow"
        changes = await reload(node, {"grants": KEYED})
        assert changes.faults
        assert [await effect(node, action) for action in ACTIONS] == ["deny"] * 5
