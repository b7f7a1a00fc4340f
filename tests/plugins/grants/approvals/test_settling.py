"""Calls over a mesh wait for a person, and run once they are allowed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core import (
    LOCAL,
    NOT_ALLOWED,
    Clock,
    ExchangeFailure,
    StateFolder,
    Verdict,
    hookimpl,
    key_text,
)
from clawmatrix_core.testing import call_control, plugin_of, wait_until
from clawmatrix_grants.api import ApprovalPending, NotAllowed, Permit, Question, permit
from clawmatrix_grants.approvals import settling
from clawmatrix_grants.approvals.table import PENDING_OF_ONE
from clawmatrix_grants.plugin import GrantsPlugin
from tests.plugins.grants.approvals.helpers import BellPlugin, EnginePlugin, Wall, ring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core import JSON, Node
    from clawmatrix_core.testing import NodeFactory

pytestmark = pytest.mark.anyio

LOUD = {"loud": True}


@attrs.frozen
class Belfry:
    """Office has a bell and asks people; home rings it.

    Attributes:
        said: what home was told while it waited.
    """

    office: Node
    home: Node
    bell: BellPlugin
    engine: EnginePlugin
    said: list[str] = attrs.field(factory=list)

    async def ring(self, arguments: JSON = LOUD) -> JSON:
        return await ring(self.home, "office", arguments, self.said)

    async def failure(self, arguments: JSON = LOUD) -> ExchangeFailure:
        with pytest.raises(ExchangeFailure) as raised:
            await self.ring(arguments)
        return raised.value

    async def ask(self, what: str, **params: JSON) -> Any:
        return await call_control(self.office, f"approvals.{what}", params)

    async def states(self) -> list[str]:
        return [one["state"] for one in (await self.ask("list"))["approvals"]]

    def counts(self) -> JSON:
        sections = {section.name: section for section in self.office.status_sections()}
        return sections["approvals"].read()

    async def waiting(self) -> str:
        """Return the word of the call that waits, once one does."""
        await wait_until(lambda: self.engine.requests)
        return self.engine.requests[-1].id

    async def pending(self, arguments: JSON = LOUD) -> str:
        """Have home ring, and leave before anybody decides; return the word."""
        failure = await self.failure(arguments)
        assert failure.code == "approval_pending"
        return str(failure.detail["approval"])


@pytest.fixture
def belfry(node_factory: NodeFactory) -> Any:
    @asynccontextmanager
    async def run(
        wait: float | str = "30s", clock: Clock | None = None, **more: Any
    ) -> AsyncIterator[Belfry]:
        bell, engine = BellPlugin(), EnginePlugin()
        office = node_factory(
            "office",
            plugins=[GrantsPlugin(), engine, bell],
            config={"approvals": {"wait": wait}, **more},
            clock=clock or Clock(),
        )
        async with office, node_factory("home", dials=["office"]) as home:
            await wait_until(lambda: home.reachable("office"))
            yield Belfry(office, home, bell, engine)

    return run


@pytest.mark.both_loops
async def test_a_call_waits_is_allowed_and_runs_once(belfry: Any) -> None:
    async with belfry() as at, anyio.create_task_group() as tasks:
        tasks.start_soon(at.ring)
        id_ = await at.waiting()
        assert at.bell.rung == []
        [request] = at.engine.requests
        key = key_text(at.home.identity.sign_public)
        assert (request.peer, request.key) == ("home", key)
        assert (request.action, request.target, request.arguments) == ("tool", "bell", LOUD)
        assert request.rule == "engine: engine.1"
        await at.ask("allow", id=id_)
        await wait_until(lambda: at.bell.rung)
        assert at.bell.rung == [(LOUD, id_)]
        assert [one.outcome for one in at.engine.records] == ["allowed"]
        assert at.said == [f"waits for an approval, {id_}, 30 s at most"]
        assert await at.states() == []


async def test_the_call_after_waits_anew(belfry: Any) -> None:
    async with belfry(wait=0) as at:
        first = await at.pending()
        await at.ask("allow", id=first)
        assert await at.ring() == {"rung": True}
        assert await at.pending() != first
        assert len(at.bell.rung) == 1


async def test_the_same_call_later_attaches_to_the_same_approval(belfry: Any) -> None:
    async with belfry(wait=0) as at:
        id_ = await at.pending()
        failure = await at.failure()
        assert (failure.code, failure.detail) == ("approval_pending", {"approval": id_})
        assert not failure.may_have_begun
        assert "engine" not in str(failure)
        assert len(at.engine.requests) == 1
        assert await at.pending({"loud": False}) != id_


async def test_an_approval_for_a_time_repeats_exactly_its_call(belfry: Any) -> None:
    async with belfry(wait=0) as at:
        id_ = await at.pending()
        await at.ask("allow", id=id_, seconds=3600)
        for _ in range(3):
            await at.ring()
        assert at.bell.rung == [(LOUD, id_)] * 3
        await at.pending({"loud": 1})
        await at.pending({"loud": True, "and": None})
        assert len(at.bell.rung) == 3


async def test_a_refused_call_is_told_nothing_else_than_that(belfry: Any) -> None:
    async with belfry() as at, anyio.create_task_group() as tasks:
        told = []

        async def refused() -> None:
            told.append(await at.failure())

        tasks.start_soon(refused)
        await at.ask("deny", id=await at.waiting())
        await wait_until(lambda: told)
        assert (told[0].code, str(told[0])) == ("not_allowed", NOT_ALLOWED)
        assert (await at.failure()).code == "not_allowed"  # the same call, later
        assert at.bell.rung == []
        assert [one.outcome for one in at.engine.records] == ["refused"]


async def test_where_the_audit_fails_nothing_is_allowed(belfry: Any, node_factory: Any) -> None:
    async with belfry(wait=0) as at:
        id_ = await at.pending()
        at.engine.writes = False
        with pytest.raises(Exception, match="disk is full"):
            await at.ask("allow", id=id_)
        assert await at.pending() == id_
    assert [fault.split(": ")[1] for fault in node_factory.faults()] == ["engine"]
    node_factory.made.clear()


async def test_what_is_allowed_or_denied_needs_nobody(belfry: Any) -> None:
    async with belfry() as at:
        at.engine.effect = "allow"
        await at.ring()
        assert at.bell.rung == [(LOUD, None)]
        at.engine.effect = "deny"
        assert str(await at.failure()) == NOT_ALLOWED
        assert at.engine.requests == []


@pytest.mark.parametrize("effect", ["deny", "allow"])
async def test_a_changed_policy_ends_calls_that_wait_and_what_was_allowed(
    effect: str, belfry: Any
) -> None:
    async with belfry() as at:
        answers: list[JSON] = []

        async def call(arguments: JSON) -> None:
            try:
                answers.append(await at.ring(arguments))
            except ExchangeFailure as error:
                answers.append(error.code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, LOUD)
            await at.waiting()
            tasks.start_soon(call, {"loud": False})
            await wait_until(lambda: len(at.engine.requests) == 2)
            at.engine.effect = effect
            service = plugin_of(at.office, GrantsPlugin).service
            assert service is not None
            service.approvals.review()
        assert answers == [{"rung": True} if effect == "allow" else "not_allowed"] * 2
        assert await at.states() == []


async def test_another_rule_that_asks_needs_another_approval(belfry: Any) -> None:
    async with belfry(wait=0) as at:
        await at.ask("allow", id=await at.pending(), seconds=60)
        at.engine.rule = "engine.2"
        await at.pending()
        at.engine.rule = "engine.1"
        await at.ring()


async def test_a_key_that_is_forgotten_ends_its_approvals(belfry: Any) -> None:
    async with belfry(wait=0) as at:
        await at.ask("allow", id=await at.pending(), seconds=60)
        await at.pending({"loud": 2})
        assert at.office.trust.forget("home")
        await wait_until(lambda: at.counts() == {"pending": 0, "allowed": 0, "refused": 0})


@pytest.mark.parametrize("how", ["revoked", "retired", "another's", "none"])
async def test_a_key_that_does_not_count_gets_no_approval(how: str, belfry: Any) -> None:
    async with belfry(wait=0) as at:
        key: str | None = key_text(at.home.identity.sign_public)
        if how == "revoked":
            at.office.revocations.make("home", at.home.identity.sign_public, reason="lost")
        elif how == "retired":
            at.office.trust.succeed("home", bytes(32), now=at.office.clock.wall())
        elif how == "another's":
            key = key_text(bytes(32))
        else:
            key = None
        question = Question("home", key, "tool", "bell", LOUD)
        with pytest.raises(NotAllowed) as raised:
            await permit(at.office, question)
        assert "key is not the one by which home is known" in raised.value.verdict.reason
        assert str(raised.value) == NOT_ALLOWED


async def test_a_client_of_this_node_waits_too(belfry: Any) -> None:
    async with belfry(wait=0) as at:
        question = Question(LOCAL, None, "tool", "bell", LOUD)
        with pytest.raises(ApprovalPending) as raised:
            await permit(at.office, question)
        await at.ask("allow", id=raised.value.approval)
        own = Question("office", None, "tool", "bell", LOUD)
        given = await permit(at.office, own)
        assert given == Permit(given.verdict, raised.value.approval)
        assert given.verdict.effect == "ask"


async def test_too_many_calls_are_denied_and_the_log_says_so(
    belfry: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with belfry(wait=0) as at:
        for n in range(PENDING_OF_ONE):
            await at.pending({"n": n})
        assert str(await at.failure({"n": 9})) == NOT_ALLOWED
        assert "8 calls of home wait for an approval already" in caplog.text


async def test_arguments_that_cannot_be_shown_are_denied(belfry: Any) -> None:
    async with belfry(wait=0) as at:
        deep: JSON = 1
        for _ in range(70):
            deep = [deep]
        assert str(await at.failure({"n": deep})) == NOT_ALLOWED


async def test_an_approval_that_ended_in_time_counts_no_more(belfry: Any) -> None:
    wall = Wall()
    async with belfry(wait=0, clock=Clock(wall=wall)) as at:
        await at.ask("allow", id=await at.pending())
        wall.now += 3600
        await at.pending()
        assert at.bell.rung == []


async def test_approvals_outlive_the_node(node_factory: NodeFactory, tmp_path: Any) -> None:
    async def run(what: str) -> str | None:
        engine = EnginePlugin()
        with StateFolder(tmp_path) as state:
            node = node_factory(
                "office",
                built_in=(),
                plugins=[GrantsPlugin(), engine],
                config={"approvals": {"wait": 0}},
                state=state,
            )
            async with node:
                try:
                    return (await permit(node, Question(LOCAL, None, "tool", "x", {}))).approval
                except ApprovalPending as pending:
                    if what == "allow":
                        await call_control(node, "approvals.allow", {"id": pending.approval})
                    return None

    assert await run("ask") is None
    assert await run("allow") is None
    assert await run("use") is not None
    assert await run("again") is None


async def test_words_come_while_a_call_waits(belfry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "PROGRESS", 0.01)
    async with belfry() as at, anyio.create_task_group() as tasks:
        tasks.start_soon(at.ring)
        id_ = await at.waiting()
        await wait_until(lambda: len(at.said) > 3)
        await at.ask("allow", id=id_)


async def test_without_the_plugin_an_ask_is_a_deny(node_factory: NodeFactory) -> None:
    class Engine:
        plugin_name = "engine"

        @hookimpl
        async def authorize(self, target: str) -> Verdict:
            return Verdict("ask" if target == "x" else "allow")

    async with node_factory("office", built_in=(), plugins=[Engine()]) as node:
        with pytest.raises(NotAllowed):
            await permit(node, Question(LOCAL, None, "tool", "x", {}))
        assert (await permit(node, Question(LOCAL, None, "tool", "y", {}))).approval is None
