"""What the doctor says of grants: which count, and why others do not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import MemoryState, NodeId, StateFolder, key_text
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.testing.told import toml_text
from clawmatrix_grants.checks import grants_check
from clawmatrix_grants.plugin import GrantsPlugin
from tests.plugins.grants.tables import read

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core import Config, Node, State
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

OLD, HOME, CI = (Identity.generate().sign_public for _ in range(3))
GRANTS = {
    "home": {"key": key_text(OLD), "tools": ["x"]},
    "other": {"key": key_text(CI), "tools": ["x"]},
    "linked": {"tools": ["x"]},
    "@ci": {"nodes": ["ci", "gone", "linked"], "tools": ["x"]},
    "*": {"models": ["x"]},
}


def know(state: State) -> None:
    """Have a state in which home changed its key, ci is invited, and two came over a link."""
    trust, now = TrustStore(state), time.time()
    for name, key in (("home", OLD), ("other", OLD[::-1]), ("linked", HOME[::-1])):
        trust.check(NodeId(name), key, proven=True, now=now)
    trust.insist(NodeId("ci"), CI, now=now)
    trust.succeed(NodeId("home"), HOME, now=now)
    trust.flush()


async def found(config: Config, node: Node | None) -> list[tuple[str, str]]:
    [check] = grants_check(config, node)
    return [(one.status, one.detail) for one in await check.run()]


EXPECTED = [
    ("warning", "grants.other: only denies count: the grant is for another key than other has"),
    ("warning", "grants.linked: only denies count: the key of linked is known as linked only"),
    ("warning", 'grants."@ci": only denies count: no key of gone is known here'),
    ("warning", 'grants."@ci": only denies count: the key of linked is known as linked only'),
    ("ok", "2 grants to nodes count for the keys known here"),
]


def as_expected(told: list[tuple[str, str]]) -> bool:
    pairs = zip(told, EXPECTED, strict=True)
    return all(one[0] == two[0] and one[1].startswith(two[1]) for one, two in pairs)


async def test_grants_that_do_not_count_are_named_in_a_node(node_factory: NodeFactory) -> None:
    state = MemoryState()
    know(state)
    config = {"grants": GRANTS}
    plugins = [GrantsPlugin()]
    async with node_factory(
        "office", built_in=(), plugins=plugins, config=config, state=state
    ) as node:
        told = await found(node.config, node)
        assert as_expected(told), told


async def test_grants_that_do_not_count_are_named_where_no_node_runs(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as state:
        know(state)
    config = read(f'state_dir = "{tmp_path}/state"\n[grants]\n{toml_text(GRANTS)}')
    told = await found(config, None)
    assert as_expected(told), told


async def test_one_grant_that_counts_is_one_grant(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "state") as state:
        know(state)
    text = f'state_dir = "{tmp_path}/state"\n[grants.ci]\ntools = ["x"]\n'
    assert await found(read(text), None) == [
        ("ok", "1 grant to a node counts for the keys known here")
    ]


def test_without_the_table_there_is_nothing_to_look_at() -> None:
    assert grants_check(read(""), None) == []
