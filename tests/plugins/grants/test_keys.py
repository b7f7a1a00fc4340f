"""Which keys a grant counts for: by the trust store alone, and on nodes that talk."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.members.identity import Identity, fingerprint
from clawmatrix_core.members.succession import rotate
from clawmatrix_core.policy.verdict import LOCAL
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_grants.plugin import GrantsPlugin
from clawmatrix_grants.policy import Question
from tests.plugins.grants.helpers import HOME, KEY, NOW, accepted, ask, policy, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.members.trust import TrustStore
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_core.wire.frames import Frame

NEXT = Identity.generate(lambda size: b"n" * size)
"""The key that home changes to."""
KEYED = {"home": {"key": KEY.key_text, "tools": ["bell"]}}
UNKEYED: dict[str, Any] = {"home": {"tools": ["bell"]}}
GROUP = {"@ci": {"nodes": ["home"], "tools": ["bell"]}}


def effect(table: dict[str, Any], trust: TrustStore, key: Identity | None = KEY) -> str | None:
    return ask(policy(table, trust), "bell", {}, key=key).effect


def known_as(level: str) -> TrustStore:
    """Return a store that knows the key of home so."""
    trust = store()
    match level:
        case "accepted":
            trust = accepted("home")
        case "invited":
            trust.insist(HOME, KEY.sign_public, now=NOW)
        case "introduced":
            trust.introduce({HOME: KEY.sign_public}, now=NOW)
            trust.check(HOME, KEY.sign_public, proven=False, now=NOW)
        case "linked":
            trust.check(HOME, KEY.sign_public, proven=True, now=NOW)
        case "hearsay":
            trust.check(HOME, KEY.sign_public, proven=False, now=NOW)
    assert trust.how_known(HOME, KEY.key_text) == level
    return trust


@pytest.mark.parametrize("level", ["accepted", "invited", "introduced", "linked", "hearsay"])
def test_without_a_key_a_grant_counts_for_a_key_that_is_known_surely(level: str) -> None:
    sure = level in ("accepted", "invited", "introduced")
    for table in (UNKEYED, GROUP):
        assert effect(table, known_as(level)) == ("allow" if sure else "deny")
        assert effect(table, known_as(level), NEXT) == "deny"


@pytest.mark.parametrize("level", ["accepted", "linked", "hearsay"])
def test_with_a_key_a_grant_counts_for_that_key_however_it_is_known(level: str) -> None:
    assert effect(KEYED, known_as(level)) == "allow"
    assert effect(KEYED, known_as(level), NEXT) == "deny"


def test_a_key_that_a_person_accepted_is_not_that_of_a_grant_for_another() -> None:
    assert effect(KEYED, accepted("home", key=NEXT), NEXT) == "deny"


def test_a_key_counts_under_its_name_alone() -> None:
    decides = policy({**KEYED, "office": {"models": []}}, accepted("home", "lab"))
    assert ask(decides, "bell", {}, peer="lab").effect == "deny"


def test_a_tag_or_a_name_that_looks_alike_grants_nothing() -> None:
    decides = policy({**UNKEYED, **GROUP}, accepted("Home", "ci", "home2"))
    for peer in ("Home", "ci", "home2"):
        assert ask(decides, "bell", {}, peer=peer).effect == "deny"


def test_a_change_of_the_key_that_this_node_took_is_followed() -> None:
    trust = accepted("home")
    trust.succeed(HOME, NEXT.sign_public, now=NOW)
    for table in (KEYED, UNKEYED, GROUP):
        assert effect(table, trust, NEXT) == "allow"
        assert effect(table, trust, KEY) == "deny", "the old key counts no more"


def test_a_change_of_which_this_node_only_heard_is_not_followed() -> None:
    trust = accepted("home", key=NEXT)
    trust.learn_past(HOME, NEXT.sign_public, (KEY.sign_public,), now=NOW)
    assert KEY.sign_public in trust.keys(HOME)
    assert effect(KEYED, trust, NEXT) == "deny"
    assert effect(KEYED, trust, KEY) == "deny"


@pytest.mark.parametrize("action", ["tool", "model", "workspace"])
def test_a_retired_key_gets_nothing_at_all(action: Any) -> None:
    trust = accepted("home")
    trust.succeed(HOME, NEXT.sign_public, now=NOW)
    table = {**KEYED, "*": {"models": ["*"], "workspaces": ["*"]}}
    found = ask(policy(table, trust), "x", {}, action=action)
    assert found.effect == "deny"
    assert "gave its name over" in found.reason


@pytest.mark.parametrize("action", ["tool", "model", "workspace"])
def test_a_revoked_key_gets_nothing_at_all(action: Any) -> None:
    revoked: set[bytes] = set()
    table = {
        "home": {"key": KEY.key_text, "tools": ["*"]},
        "*": {"models": ["*"], "workspaces": ["*"]},
    }
    decides = policy(table, is_revoked=revoked.__contains__)
    assert ask(decides, "x", {}, action=action).effect == "allow"
    revoked.add(KEY.sign_public)
    found = ask(decides, "x", {}, action=action)
    assert (found.effect, found.reason) == ("deny", "the key of home was revoked")


def test_a_grant_for_a_revoked_key_is_not_followed_to_another() -> None:
    trust = accepted("home")
    trust.succeed(HOME, NEXT.sign_public, now=NOW)
    decides = policy(KEYED, trust, is_revoked={KEY.sign_public}.__contains__)
    assert ask(decides, "bell", {}, key=NEXT).effect == "deny"


def test_a_deny_counts_whatever_the_key() -> None:
    table = {
        "home": {"key": NEXT.key_text, "rules": [{"deny": ["notes"], "kind": "workspaces"}]},
        "*": {"workspaces": ["*"]},
    }
    found = ask(policy(table), "notes", {}, action="workspace")
    assert (found.effect, found.rule) == ("deny", "grants.home.rules[0]")


@pytest.mark.parametrize("key", [None, "", "ed25519:abc", "ed25519:" + "A" * 44, "x" * 51])
def test_what_is_no_key_gets_nothing(key: str | None) -> None:
    decides = policy({**UNKEYED, "*": {"models": ["*"]}})
    for action, target in (("tool", "bell"), ("model", "m")):
        found = decides.decide(Question("home", key, action, target, {}))  # type: ignore[arg-type]
        assert found.effect == "deny"


def test_a_denial_says_what_to_do() -> None:
    for level in ("linked", "hearsay"):
        reason = ask(policy(UNKEYED, known_as(level)), "bell", {}).reason
        assert f"known as {level} only" in reason
        assert "`clawmatrix trust accept home FINGERPRINT`" in reason
        assert "`clawmatrix grants add home`" in reason
    reason = ask(policy(KEYED, accepted("home", key=NEXT)), "bell", {}, key=NEXT).reason
    assert "`clawmatrix grants add home`" in reason
    assert "trust accept" not in ask(policy(UNKEYED, known_as("linked")), "other", {}).reason


# --- on nodes


class Desk:
    """Tells whoever asks what it may do here; it has the key that the node that asks proved."""

    plugin_name = "desk"

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self._node, self._scope = node, scope

    @hookimpl
    @frame_types("may-i")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self._answer, self._scope)

    async def _answer(self, ex: Exchange) -> None:
        verdict = await self._node.authorize(ex.peer, ex.peer_key, "tool", "bell", {})
        await ex.finish({"effect": verdict.effect, "reason": verdict.reason})


async def may(node: Node, to: str = "office") -> dict[str, JSON]:
    """Ask another node whether this one may ring its bell."""
    async with node.exchange(to, "may-i", {}, deadline=10) as exchange:
        answer: dict[str, JSON] = await exchange.receive()
        return answer


@attrs.define
class Office:
    """Office, which knows home by a first meeting, and what home keeps between its runs."""

    node: Node
    factory: NodeFactory
    state: MemoryState

    @asynccontextmanager
    async def with_home(self, state: MemoryState | None = None) -> AsyncIterator[Node]:
        """Run home, linked to office."""
        home = self.factory("home", dials=["office"], state=state or self.state)
        async with home:
            await wait_until(lambda: "office" in home.links and "home" in self.node.links)
            yield home
        await wait_until(lambda: "home" not in self.node.links)


@asynccontextmanager
async def office(factory: NodeFactory, grants: dict[str, Any]) -> AsyncIterator[Office]:
    state = MemoryState()
    state.write("identity", KEY.to_json())
    plugins = [GrantsPlugin(), Desk()]
    async with factory("office", plugins=plugins, config={"grants": grants}) as node:
        yield Office(node, factory, state)


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_node_that_is_linked_is_granted_nothing_before_a_person_accepts_it(
    node_factory: NodeFactory,
) -> None:
    async with office(node_factory, UNKEYED) as found, found.with_home() as home:
        told = await may(home)
        assert told["effect"] == "deny"
        assert "known as linked only" in str(told["reason"])
        found.node.trust.accept(HOME, fingerprint(KEY.sign_public))
        assert (await may(home))["effect"] == "allow"


@pytest.mark.anyio
async def test_a_grant_follows_a_key_that_changes_before_this_nodes_eyes(
    node_factory: NodeFactory,
) -> None:
    async with office(node_factory, KEYED) as found:
        async with found.with_home() as home:
            assert (await may(home))["effect"] == "allow"
        old, new = rotate(found.state, "home", int(time.time() * 1000), Random("new").randbytes)
        assert old == KEY
        async with found.with_home() as home:
            assert home.identity == new
            assert (await may(home))["effect"] == "allow"
            retired = await found.node.authorize("home", old.sign_public, "tool", "bell", {})
            assert retired.effect == "deny"
            assert "gave its name over" in retired.reason


@pytest.mark.anyio
async def test_a_grant_does_not_follow_what_a_record_says_of_earlier_keys(
    node_factory: NodeFactory,
) -> None:
    async with office(node_factory, KEYED) as found:
        rotate(found.state, "home", int(time.time() * 1000), Random("new").randbytes)
        async with found.with_home() as home:
            # The record tells of the old key, by which this node never knew home.
            peer = found.node.directory.get(HOME)
            assert peer is not None
            assert KEY.sign_public in peer.record.past_keys()
            told = await may(home)
            assert told["effect"] == "deny"
            assert "saw no change" in str(told["reason"])


@pytest.mark.anyio
async def test_a_revoked_key_loses_everything_at_once(node_factory: NodeFactory) -> None:
    async with office(node_factory, {**KEYED, "*": {"models": ["*"]}}) as found:
        node = found.node
        async with found.with_home() as home:
            assert (await may(home))["effect"] == "allow"
            node.revocations.make("home", KEY.sign_public)
            for action in ("tool", "model"):
                verdict = await node.authorize("home", KEY.sign_public, action, "bell", {})
                assert (verdict.effect, verdict.reason) == ("deny", "the key of home was revoked")


@pytest.mark.anyio
async def test_a_member_that_calls_itself_home_is_not_home(node_factory: NodeFactory) -> None:
    """Over a relay a name's key is whatever record came first; a grant is for a key."""
    async with (
        office(node_factory, {**KEYED, **GROUP}) as found,
        node_factory("relay", dials=["office"]),
        node_factory("home", dials=["relay"], identity=NEXT) as squatter,
    ):
        await wait_until(lambda: squatter.reachable("office"))
        told = await may(squatter)
        assert found.node.trust.how_known(HOME, NEXT.sign_public) == "hearsay"
    assert told["effect"] == "deny"


@pytest.mark.anyio
async def test_own_clients_ask_under_the_name_of_their_own(node_factory: NodeFactory) -> None:
    async with office(node_factory, {"@local": {"tools": ["bell"]}, "office": {}}) as found:
        assert (await may(found.node))["effect"] == "allow"
        own = await found.node.authorize(LOCAL, None, "tool", "bell", {})
        assert own.rule == 'grants."@local".tools'
        async with found.with_home() as home:
            assert (await may(home))["effect"] == "deny"
