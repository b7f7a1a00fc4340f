"""Who may do what: all plugins are asked, and whatever goes wrong in one is a no."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from clawmatrix_core.base.errors import AuditFailed, DemandFailed
from clawmatrix_core.base.faults import Overrun
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.gate import Gate, missing_grants
from clawmatrix_core.kernel.node_hooks import NodeHooks
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.members.identity import Identity, key_text
from clawmatrix_core.policy.record import AuditRecord, Receipt
from clawmatrix_core.policy.verdict import LOCAL, Verdict
from clawmatrix_core.testing.fixtures import SECRET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.policy.verdict import Action

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.both_loops,
    pytest.mark.faults_expected,
    pytest.mark.annotations_unchecked,
]

ALLOW, ASK, DENY = Verdict("allow"), Verdict("ask"), Verdict("deny")
KEY = bytes(range(32))
RECORD = AuditRecord(
    event="begin", id="1", peer=NodeId("home"), key=key_text(KEY), action="tool", target="bell"
)
BUDGET = 0.05
LONG = 5.0
"""Seconds in which a question ends although a plugin hangs."""


class Door(Gate):
    """A node's gate, with the plugins that it asks and nothing else of a node."""

    def __init__(
        self, *plugins: object, config: Mapping[str, object] | None = None, budget: float = 10
    ) -> None:
        self.id = NodeId("here")
        self.identity = Identity.generate()
        self.config = Config.from_mapping({"node_id": "here", "secret": SECRET, **(config or {})})
        self.registry = PluginRegistry(budget=budget)
        self.registry.when_failed(lambda _: self.look_who_decides())
        self.hooks = NodeHooks(self.registry, self)
        for plugin in plugins:
            self.registry.add(plugin)
        self.look_who_decides()

    def take_out(self, name: str) -> None:
        self.hooks.fail(name, "taken out by a test")

    def faults(self) -> dict[str, int]:
        return {info.name: info.faults for info in self.registry.list() if info.faults}

    async def ask(self, action: Action = "tool") -> Verdict:
        return await self.authorize("home", KEY, action, "bell", {"loud": True})


class Says:
    """A plugin that answers as a test has it answer."""

    def __init__(self, answer: object, name: str = "says") -> None:
        self.plugin_name = name
        self.answer = answer
        self.asked: list[tuple[object, ...]] = []

    @hookimpl
    async def authorize(
        self,
        peer: NodeId,
        key: str | None,
        action: str,
        target: str,
        arguments: Mapping[str, JSON] | None,
    ) -> Any:
        self.asked.append((peer, key, action, target, arguments))
        return await self.given()

    @hookimpl
    async def audit_record(self, record: AuditRecord) -> Any:
        self.asked.append((record,))
        return await self.given()

    async def given(self) -> object:
        if callable(self.answer):
            return await cast("Callable[[], Awaitable[object]]", self.answer)()
        return self.answer


async def raises() -> object:
    raise LookupError("no rules")


async def exits() -> object:
    raise SystemExit(3)


async def hangs() -> object:
    await anyio.sleep_forever()
    return ALLOW


async def late() -> object:
    """Answer after the time is over, although cancelled."""
    with suppress(anyio.get_cancelled_exc_class()):
        await anyio.sleep_forever()
    return ALLOW


async def blocks() -> object:
    """Answer after the time is over, without letting anything else run."""
    time.sleep(2 * BUDGET)  # noqa: ASYNC251 - it blocks the loop on purpose
    return ALLOW


async def lets_out_a_cancellation() -> None:
    task = asyncio.create_task(asyncio.sleep(100))
    await asyncio.sleep(0)
    task.cancel()
    await task


BROKEN = {
    "raises": (raises, "LookupError: no rules"),
    "ends the process": (exits, "means to end the process"),
    "hangs": (hangs, "took over 0.05 s"),
    "answers late": (late, "took over 0.05 s"),
    "blocks the loop": (blocks, "took over 0.05 s"),
    "says yes": (True, "gave a bool"),
    "says allow": ("allow", "gave a str"),
    "gives a receipt": (Receipt(b""), "gave a Receipt, not a Verdict"),
}
broken = pytest.mark.parametrize("name", BROKEN)


# --- authorize


async def test_all_are_asked_and_the_strictest_answer_counts() -> None:
    plugins = [Says(ALLOW, "a"), Says(None, "b"), Says(DENY, "c"), Says(ASK, "d")]
    verdict = await Door(*plugins).ask()
    assert (verdict.effect, verdict.plugin) == ("deny", "c")
    assert [len(plugin.asked) for plugin in plugins] == [1, 1, 1, 1]


async def test_the_order_of_plugins_does_not_count() -> None:
    one, other = Says(ALLOW, "a"), Says(DENY, "b")
    assert (await Door(one, other).ask()).effect == (await Door(other, one).ask()).effect == "deny"


async def test_an_ask_beats_an_allow() -> None:
    for pair in ((Says(ASK, "a"), Says(ALLOW, "b")), (Says(ALLOW, "b"), Says(ASK, "a"))):
        verdict = await Door(*pair).ask()
        assert (verdict.effect, verdict.plugin) == ("ask", "a")


async def test_a_plugin_is_told_what_is_asked() -> None:
    says = Says(ALLOW)
    assert (await Door(says).ask()).effect == "allow"
    assert says.asked == [("home", key_text(KEY), "tool", "bell", {"loud": True})]


async def test_a_key_may_be_given_as_text() -> None:
    says = Says(ALLOW)
    await Door(says).authorize("home", key_text(KEY), "tool", "bell", None)
    assert says.asked == [("home", key_text(KEY), "tool", "bell", None)]


async def test_the_nodes_own_clients_have_one_name_and_no_key() -> None:
    says = Says(ALLOW)
    door = Door(says)
    own = door.identity.sign_public
    for peer, key in (("here", own), ("here", None), (LOCAL, None), (LOCAL, KEY)):
        await door.authorize(peer, key, "tool", "bell", None)
    assert {asked[:2] for asked in says.asked} == {(LOCAL, None)}


async def test_another_node_under_this_nodes_name_is_not_one_of_its_clients() -> None:
    says = Says(ALLOW)
    await Door(says).authorize("here", KEY, "tool", "bell", None)
    assert says.asked == [("here", key_text(KEY), "tool", "bell", None)]


@broken
@pytest.mark.parametrize("action", ["tool", "model"])
async def test_a_plugin_that_goes_wrong_denies_and_is_named(name: str, action: Action) -> None:
    answer, words = BROKEN[name]
    door = Door(Says(ALLOW, "a"), Says(answer, "wrong"), Says(ALLOW, "z"), budget=BUDGET)
    with anyio.fail_after(LONG):
        verdict = await door.ask(action)
    assert (verdict.effect, verdict.plugin) == ("deny", "wrong")
    assert "wrong" in verdict.reason
    assert words in verdict.reason
    assert door.faults() == {"wrong": 1}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # on trio only a scope can cancel
async def test_a_plugin_that_lets_out_a_cancellation_denies() -> None:
    verdict = await Door(Says(lets_out_a_cancellation), Says(ALLOW, "z")).ask()
    assert (verdict.effect, verdict.plugin) == ("deny", "says")


async def test_a_cancellation_of_the_caller_passes() -> None:
    door = Door(Says(hangs))
    with anyio.move_on_after(BUDGET) as scope:
        await door.ask()
    assert scope.cancelled_caught
    assert door.faults() == {}


async def test_where_nobody_decides_models_are_allowed_and_nothing_else() -> None:
    door = Door()
    assert door.authorizers == ()
    assert (await door.ask("model")).effect == "allow"
    for action in cast("tuple[Action, ...]", ("tool", "agent", "workspace", "resource")):
        assert (await door.ask(action)).effect == "deny"


async def test_a_plugin_that_was_taken_out_denies_everything() -> None:
    door = Door(Says(ALLOW, "engine"), Says(ALLOW, "z"))
    assert (await door.ask("model")).effect == "allow"
    door.take_out("engine")
    verdict = await door.ask("model")
    assert (verdict.effect, verdict.plugin) == ("deny", "engine")
    assert door.authorizers == ("z", "engine")


@pytest.mark.parametrize("first", ["engine", "other"])
async def test_one_that_is_taken_out_while_others_are_asked_denies(first: str) -> None:
    async def take_out() -> object:
        door.take_out("engine")
        return ALLOW

    engine, other = Says(ALLOW, "engine"), Says(take_out, "other")
    door = (
        Door(engine, other) if first == "other" else Door(other, engine)
    )  # the last is asked first
    verdict = await door.ask("model")
    assert (verdict.effect, verdict.plugin) == ("deny", "engine")
    assert "taken out" in verdict.reason
    assert len(engine.asked) == (first == "engine")


async def test_one_that_is_taken_out_while_it_decides_denies() -> None:
    async def take_itself_out() -> object:
        door.take_out("says")
        return ALLOW

    door = Door(Says(take_itself_out))
    assert (await door.ask()).effect == "deny"


async def test_no_peer_has_a_plugin_taken_out_by_what_it_asks() -> None:
    door = Door(Says(hangs), budget=0.001)
    for _ in range(5):
        assert (await door.ask()).effect == "deny"
    assert door.faults() == {"says": 5}
    assert door.hooks.works("says")


# --- a table of grants


GRANTS = {"grants": {"home": {"tools": ["read"]}}}


@pytest.mark.parametrize("action", ["tool", "model"])
async def test_a_table_of_grants_without_its_plugin_denies_everything(action: Action) -> None:
    door = Door(Says(ALLOW), config=GRANTS)
    verdict = await door.ask(action)
    assert (verdict.effect, verdict.plugin) == ("deny", "grants")
    assert door.authorizers == ("says", "grants")


async def test_an_empty_table_of_grants_is_one() -> None:
    assert (await Door(config={"grants": {}}).ask("model")).effect == "deny"


async def test_a_plugin_of_that_name_that_does_not_decide_is_not_enough() -> None:
    class Grants:
        plugin_name = "grants"

        @hookimpl
        async def node_started(self) -> None: ...

    assert (await Door(Grants(), config=GRANTS).ask("model")).effect == "deny"


async def test_its_plugin_decides_where_it_works_and_denies_once_it_is_out() -> None:
    door = Door(Says(ALLOW, "grants"), config=GRANTS)
    assert (await door.ask()).effect == "allow"
    door.take_out("grants")
    assert (await door.ask("model")).effect == "deny"


async def test_a_table_that_comes_with_a_reload_counts_at_once() -> None:
    door = Door()
    door.config = Config.from_mapping({"node_id": "here", "secret": SECRET, **GRANTS})
    door.look_who_decides()
    assert (await door.ask("model")).effect == "deny"


def missing(door: Door) -> list[str]:
    return missing_grants(door.config, door.registry)


async def test_the_table_is_a_mistake_where_its_plugin_is_disabled_or_failed() -> None:
    door = Door(Says(ALLOW, "grants"), config=GRANTS)
    assert missing(door) == []
    door.take_out("grants")
    [failed] = missing(door)
    assert failed.startswith("grants: the table is there, and no plugin decides by it")
    assert "grants has failed: taken out by a test" in failed
    assert missing(Door(config=GRANTS)) == []  # nobody knows the table: that is told elsewhere
    assert missing(Door(Says(ALLOW, "grants"))) == []


# --- audit


async def test_each_receipt_has_its_plugin() -> None:
    one, other = Says(Receipt(b"1", "claims to be another"), "a"), Says(Receipt(b"2"), "b")
    found = await Door(one, other).audit(RECORD)
    assert sorted(found, key=lambda receipt: receipt.head) == [
        Receipt(b"1", "a"),
        Receipt(b"2", "b"),
    ]
    assert one.asked == other.asked == [(RECORD,)]


async def test_where_nobody_writes_it_down_it_fails() -> None:
    with pytest.raises(AuditFailed, match="no plugin answers audit_record") as caught:
        await Door().audit(RECORD)
    assert caught.value.plugin == ""


NO_RECEIPT = {
    **{name: BROKEN[name] for name in BROKEN if name != "gives a receipt"},
    "says nothing": (None, "gave a NoneType, not a Receipt"),
    "allows": (ALLOW, "gave a Verdict, not a Receipt"),
    "gives bytes": (b"head", "gave a bytes, not a Receipt"),
}


@pytest.mark.parametrize("name", NO_RECEIPT)
async def test_one_that_gives_no_receipt_fails_it_for_all(name: str) -> None:
    answer, words = NO_RECEIPT[name]
    good = Says(Receipt(b"1"), "good")
    for pair in ((good, Says(answer, "wrong")), (Says(answer, "wrong"), good)):
        with anyio.fail_after(LONG), pytest.raises(AuditFailed) as caught:
            await Door(*pair, budget=BUDGET).audit(RECORD)
        assert caught.value.plugin == "wrong"
        assert words in str(caught.value)
    assert len(good.asked) == 2


async def test_one_that_is_taken_out_meanwhile_fails_it() -> None:
    async def take_out() -> object:
        door.take_out("ledger")
        return Receipt(b"1")

    door = Door(Says(Receipt(b"2"), "ledger"), Says(take_out, "other"))
    with pytest.raises(AuditFailed, match=r"ledger.*taken out"):
        await door.audit(RECORD)


async def test_one_that_was_taken_out_leaves_nobody_to_write() -> None:
    door = Door(Says(Receipt(b"1"), "ledger"))
    door.take_out("ledger")
    with pytest.raises(AuditFailed):
        await door.audit(RECORD)


async def test_a_plugin_that_overruns_is_counted_and_stays() -> None:
    door = Door(Says(hangs), budget=0.001)
    for _ in range(4):
        with pytest.raises(DemandFailed, match=Overrun.__name__):
            await door.audit(RECORD)
    assert door.faults() == {"says": 4}
    assert door.hooks.works("says")
