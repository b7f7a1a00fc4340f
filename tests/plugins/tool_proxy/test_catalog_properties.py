"""Whatever the tables say: a list has what a caller may call in any way, and nothing else."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import anyio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clawmatrix_core.base.answers import Answer
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.policy.verdict import LOCAL, Verdict, combine
from clawmatrix_grants.policy import Policy, Question
from clawmatrix_tool_proxy.api import tool
from clawmatrix_tool_proxy.catalog.serving import entries_for
from clawmatrix_tool_proxy.serving.caller import Caller
from clawmatrix_tool_proxy.serving.exposure import Exposure
from clawmatrix_tool_proxy.serving.table import ToolTable
from tests.plugins.grants import random_policies
from tests.plugins.grants.helpers import KEY, Wall, accepted, read, store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, Action
    from clawmatrix_core.policy.verdict import Effect

NAMES = ("read", "list", "write", "reader", "s.a")
GLOBS = ("*", "read", "r*", "li?t", "write", "s.*")
PEERS = ("home", "ci1", "ci2")
KNOWN, UNKNOWN = accepted("home", "ci1"), store()


async def nothing() -> None:
    """Do nothing."""


def tools(random: Random) -> ToolTable:
    """Return tools of which some are exposed."""
    table = ToolTable(lambda _: True)
    table.put([("shop", tool(nothing, name=name)) for name in NAMES])
    table.expose(
        Exposure(
            random.sample(GLOBS, random.randint(0, 3)),
            random.sample(GLOBS, random.choice((0, 0, 1))),
        )
    )
    return table


class Rules:
    """Answers as a node does whose only plugin that decides is ``grants``."""

    def __init__(self, random: Random) -> None:
        table = random_policies.table(random, 4)
        known = random.choice((KNOWN, UNKNOWN))
        self._policy = Policy(read(table), known, wall=Wall())

    def effect(self, caller: Caller, name: str, arguments: Mapping[str, JSON] | None) -> Effect:
        question = Question(caller.peer, caller.key, "tool", name, arguments)
        found = self._policy.decide(question)
        verdict = None if found.effect is None else Verdict(found.effect)
        return combine([Answer("grants", verdict)], "tool").effect

    async def authorize(
        self, peer: NodeId, key: str | None, action: Action, target: str, arguments: None
    ) -> Verdict:
        return Verdict(self.effect(Caller(peer, key), target, arguments))


def listed(caller: Caller, table: ToolTable, rules: Rules) -> set[str]:
    async def names() -> set[str]:
        return {entry.name for entry in await entries_for(caller, table, rules.authorize)}

    return anyio.run(names)


@settings(
    max_examples=150,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.integers(0, 2**64 - 1).map(Random))
def test_a_list_has_each_tool_of_which_any_call_may_pass(random: Random) -> None:
    table, rules = tools(random), Rules(random)
    callers = [Caller(LOCAL, None), *(Caller(NodeId(peer), KEY.key_text) for peer in PEERS)]
    for caller in callers:
        names = listed(caller, table, rules)
        exposed = {name for name in NAMES if table.exposed(name, own=caller.own) is not None}
        assert names == {name for name in exposed if rules.effect(caller, name, None) != "deny"}
        for _ in range(8):
            arguments = random_policies.asked(random)[3]
            may = {name for name in exposed if rules.effect(caller, name, arguments) != "deny"}
            assert may <= names, arguments
