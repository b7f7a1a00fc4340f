"""Calls that are denied: the same words for all, nothing runs, and the audit stays small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import NodeId, Verdict, key_text
from clawmatrix_core.members.identity import Identity, fingerprint
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import reload
from clawmatrix_tool_proxy.api import ToolFailed, call_tool
from clawmatrix_tool_proxy.serving.caller import Caller
from clawmatrix_tool_proxy.serving.denials import (
    ALL_DENIALS,
    CALLERS,
    DENIALS,
    PERIOD,
    STRANGERS,
    Denials,
    denied_by,
)
from clawmatrix_tool_proxy.serving.exposure import Exposure
from tests.plugins.tool_proxy.nodes import called, code_of, relayed
from tests.plugins.tool_proxy.shop import Notebook

if TYPE_CHECKING:
    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


@pytest.mark.both_loops
async def test_unknown_not_exposed_and_not_granted_get_the_same_words(
    node_factory: NodeFactory,
) -> None:
    told = set()
    table = {"deny": ["big"]}
    async with relayed(node_factory, allowed=("echo", "big", "nope"), table=table) as mesh:
        for tool in ("nope", "big", "stream", "x" * 128):
            with pytest.raises(ToolFailed) as raised:
                await called(mesh, tool)
            error = raised.value
            told.add((error.code, str(error), error.may_have_run, str(error.detail)))
        asked = [target for _, _, target, _ in mesh.engine.asked]
        assert asked == ["nope", "big", "stream", "x" * 128]  # all are asked about alike
        assert [record.target for record in mesh.served.records] == asked
        assert [record.rule for record in mesh.served.records] == [
            "no plugin of this node has a tool of that name",
            "not exposed: [tool-proxy] deny",
            "engine.rule: the engine says so",
            "no plugin of this node has a tool of that name",
        ]
    assert told == {("not_allowed", "not allowed on this node", False, "None")}


async def test_an_empty_allow_exposes_nothing_and_a_reload_changes_it(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory, table={"allow": []}) as mesh:
        assert await code_of(mesh, "echo") == "not_allowed"
        assert mesh.served.records[-1].rule == "not exposed: [tool-proxy] allow"
        await reload(mesh.office, {"tool-proxy": {"allow": ["ec*"]}})
        assert (await called(mesh, "echo")).value is None
        await reload(mesh.office, {"tool-proxy": {"allow": ["ec*"], "deny": ["*ho"]}})
        assert await code_of(mesh, "echo") == "not_allowed"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict("deny"), "no rule allows it"),
        (Verdict("deny", "no plugin decides about it"), "no plugin decides about it"),
        (Verdict("deny", rule="grants.home.deny"), "grants.home.deny"),
        (
            Verdict("deny", "a person refused it", "grants.a.ask"),
            "grants.a.ask: a person refused it",
        ),
    ],
)
def test_a_denial_says_why_in_words(verdict: Verdict, words: str) -> None:
    assert denied_by(verdict) == words


@pytest.mark.parametrize(
    ("allow", "deny", "name", "is_exposed"),
    [
        ([], [], "read", False),
        (["read"], [], "read", True),
        (["read"], [], "reader", False),
        (["re*"], ["read"], "read", False),
        (["*"], [], "git.push", True),
        (["*"], ["git.*"], "git.push", False),
        (["r?ad"], [], "read", True),
        (["r.ad"], [], "read", False),
        (["*" * 60 + "x"], [], "a" * 60, False),
    ],
)
def test_patterns_of_what_is_exposed(
    allow: list[str], deny: list[str], name: str, is_exposed: bool
) -> None:
    assert Exposure(allow, deny).exposes(name) == is_exposed


async def test_a_condition_that_does_not_hold_is_a_denial_like_any_other(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory) as mesh:
        mesh.engine.only = lambda arguments: arguments["n"] == 1
        assert (await called(mesh, "echo", n=1)).value is None
        with pytest.raises(ToolFailed, match=r"^not allowed on this node$"):
            await called(mesh, "echo", n=2)
        assert mesh.shop.began == [1]
        denied = mesh.served.records[-1]
        assert (denied.event, denied.arguments) == ("denied", {"value": None, "n": 2})
        assert denied.rule == "engine.rule: the engine says so"


async def test_an_ask_without_anybody_to_ask_is_a_denial(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        mesh.engine.asks.add("echo")
        assert await code_of(mesh, "echo") == "not_allowed"
        assert mesh.shop.began == []


@pytest.mark.faults_expected
async def test_where_it_cannot_be_written_down_nothing_runs(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.broken.add("begin")
        with pytest.raises(ToolFailed, match=r"^not allowed on this node$") as raised:
            await called(mesh, "echo")
        assert not raised.value.may_have_run
        assert mesh.shop.began == []


@pytest.mark.faults_expected
async def test_a_caller_that_cannot_write_it_down_sends_nothing(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        mesh.asked.broken.add("begin")
        assert await code_of(mesh, "echo") == "not_audited"
        assert (mesh.shop.began, mesh.served.records) == ([], [])


@pytest.mark.faults_expected
async def test_a_result_is_given_although_its_end_cannot_be_written_down(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async with relayed(node_factory) as mesh:
        mesh.served.broken.add("end")
        assert (await called(mesh, "echo", value=0)).value == 0
    assert "the end of echo is not written down" in caplog.text


async def test_the_line_is_written_before_the_tool_begins(node_factory: NodeFactory) -> None:
    async with relayed(node_factory) as mesh:
        async with call_tool(mesh.home, "office", "wait"):
            await mesh.shop.open.wait()
            assert mesh.served.told() == [("begin", "wait", None)]
            assert mesh.asked.told() == [("begin", "wait", None)]
            assert mesh.served.records[0].id == mesh.asked.records[0].id
        await wait_until(lambda: mesh.served.told("end"))


@pytest.mark.bound(
    "clawmatrix_tool_proxy.serving.denials.DENIALS",
    "clawmatrix_tool_proxy.serving.denials.ALL_DENIALS",
    "clawmatrix_tool_proxy.serving.denials.CALLERS",
)
async def test_denied_calls_cannot_fill_the_audit(node_factory: NodeFactory) -> None:
    notebook = Notebook()
    async with node_factory("office", plugins=[notebook]) as node:
        callers = [_known(node, f"n{n}") for n in range(20)]
        denials = Denials(node, now=lambda: at)
        at = 1000.0
        for _ in range(200):
            await denials.note(callers[0], "id", "exec", "rule", None)
        assert len(notebook.records) == DENIALS
        await denials.write_counts()
        told = notebook.records[-1]
        assert (told.event, told.peer, told.target) == ("denied", "n0", "*")
        assert told.outcome == f"{200 - DENIALS} more denied"
        for caller in callers:
            for _ in range(50):
                await denials.note(caller, "id", "exec", "rule", None)
        assert len(notebook.records) == ALL_DENIALS + 1
        before = len(notebook.records)
        await denials.write_counts()
        sums = [record.outcome for record in notebook.records[before:]]
        assert len(sums) == CALLERS + 1
        assert sum(int(str(one).split()[0]) for one in sums) == 20 * 50 - (ALL_DENIALS - DENIALS)
        assert notebook.records[-1].peer == "@others"
        at += PERIOD
        await denials.note(callers[0], "id", "exec", "rule", None)
        await denials.note(callers[0], "id", "exec", "rule", None)
        assert notebook.told()[-1] == ("denied", "exec", "denied")


@pytest.mark.bound("clawmatrix_tool_proxy.serving.denials.STRANGERS")
async def test_made_up_callers_leave_places_for_known_ones(node_factory: NodeFactory) -> None:
    notebook = Notebook()
    async with node_factory("office", plugins=[notebook]) as node:
        denials = Denials(node, now=lambda: 1000.0)
        known = [_known(node, f"n{n}") for n in range(CALLERS - STRANGERS)]
        key = key_text(Identity.generate().sign_public)
        made_up = [Caller(NodeId(f"x{n}"), key) for n in range(4 * CALLERS)]
        # Its key is no key, or not that of the name: neither makes it known.
        made_up[:2] = [Caller(known[0].peer, key), Caller(known[0].peer, "no key")]
        for caller in [*made_up, *known]:
            for _ in range(DENIALS + 1):
                await denials.note(caller, "id", "exec", "rule", None)
        written = {(record.peer, record.key) for record in notebook.records}
        assert {(caller.peer, caller.key) for caller in known[:4]} <= written
        del notebook.records[:]
        await denials.write_counts()
        counted = {(one.peer, one.key) for one in notebook.records}
        assert {(caller.peer, caller.key) for caller in known} <= counted
        assert len(counted) == CALLERS + 1


def _known(node: Node, name: str) -> Caller:
    """Return a caller whose key a person accepted."""
    key = Identity.generate().sign_public
    node.trust.check(NodeId(name), key, proven=True, now=1.0)
    node.trust.accept(NodeId(name), fingerprint(key))
    return Caller(NodeId(name), key_text(key))
