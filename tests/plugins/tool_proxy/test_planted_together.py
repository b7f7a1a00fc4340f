"""The tests of the parts together bite: each planted bug makes the tests named for it fail."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.policy.standing import Standings
from clawmatrix_grants.approvals.part import Approvals
from clawmatrix_grants.approvals.settling import Settling
from clawmatrix_grants.ending import EndingRules
from clawmatrix_grants.keys import Keys, KnownToNode
from clawmatrix_grants.policy import Policy
from clawmatrix_tool_proxy.catalog import serving
from clawmatrix_tool_proxy.catalog.entries import entry_of
from clawmatrix_tool_proxy.catalog.serving import CatalogServer
from clawmatrix_tool_proxy.serving import running
from tests.plugins.tool_proxy import (
    test_catalog_properties,
    test_names_together,
    test_withdrawn_together,
)
from tests.tools.planted import Plant, plant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractContextManager

    from clawmatrix_grants.approvals.table import Approval
    from clawmatrix_tool_proxy.catalog.entries import Entry
    from clawmatrix_tool_proxy.serving.caller import Caller
    from clawmatrix_tool_proxy.serving.table import ToolTable

pytestmark = pytest.mark.anyio


def call_back_alone(self: Standings, why: str) -> None:
    """Tell lists and approvals of a change, and leave running work."""
    for call in tuple(self._callbacks):
        call(why)


def keep_the_list(self: CatalogServer) -> None:
    """Leave lists as they are until somebody asks again."""


async def list_all_exposed(caller: Caller, table: ToolTable, _: object) -> Sequence[Entry]:
    """List what the node exposes, whoever asks."""
    return [entry_of(tool) for tool in table.all_exposed(own=caller.own)]


def leave_approvals(self: Approvals, *_: object) -> None:
    """Look at no approval when the policy changes."""


async def ask_still(self: Settling, approval: Approval) -> bool:
    """Keep an approval, whatever the policy is now."""
    return True


def one_digest(self: Policy) -> str:
    """Take all tables for the same."""
    return "policy"


def any_name(self: Keys, peer: str, key: str | None, granted: str | None) -> str | None:
    """Have a grant count for its name."""
    return self.barred(peer, key)


def known_surely(self: KnownToNode, *_: object) -> str:
    """Take each key of a name for one that a person accepted."""
    return "accepted"


def spare_retired(self: KnownToNode, key: object) -> bool:
    """Have a key count on that gave its name over."""
    return False


async def look_at_no_clock(self: EndingRules) -> None:
    """Have rules that end only be asked no more."""


def exposed_for_good(*_: object) -> AbstractContextManager[None]:
    """Look once at what is exposed, before the call."""
    return nullcontext()


Check = partial[Any]


def over(test: Callable[..., Awaitable[None]], *arguments: object) -> Check:
    """Return a test that wants a folder of its own."""
    return partial(test, *arguments)


RELOAD = over(test_withdrawn_together.test_a_reload_ends_all_that_the_table_gave, "other tools")
GIVEN = over(
    test_withdrawn_together.test_an_approval_that_was_given_counts_under_its_own_table_alone
)
SQUATTER = over(test_names_together.test_a_squatter_with_the_word_of_homes_run_gets_nothing)
RETIRED = over(test_names_together.test_a_key_that_retired_gets_nothing_and_the_next_one_all)
EXPOSED = over(test_withdrawn_together.test_a_tool_that_is_exposed_no_more_ends_and_is_not_approved)
ENDED = over(test_withdrawn_together.test_a_rule_that_ends_ends_all_that_it_gave)
LINKED = over(test_names_together.test_each_way_of_being_known, "linked")


PLANTS = {
    "work is not asked about again": Plant(Standings, "changed", call_back_alone, (RELOAD,)),
    "a list outlives its grant": Plant(CatalogServer, "changed", keep_the_list, (RELOAD,)),
    "a list has all that is exposed": Plant(
        serving, "entries_for", list_all_exposed, (RELOAD, SQUATTER)
    ),
    "approvals outlive the policy": Plant(Approvals, "review", leave_approvals, (RELOAD,)),
    "an approval is for any policy": Plant(
        Policy, "digest", property(one_digest), (GIVEN,), ((Settling, "still_asks", ask_still),)
    ),
    "a grant is for a name": Plant(Keys, "why_not", any_name, (SQUATTER, LINKED)),
    "a link proves a name": Plant(KnownToNode, "how_known", known_surely, (SQUATTER, LINKED)),
    "a retired key counts": Plant(KnownToNode, "retired", spare_retired, (RETIRED,)),
    "work outlives the time of its rule": Plant(EndingRules, "run", look_at_no_clock, (ENDED,)),
    "a call outlives what is exposed": Plant(running, "_exposed", exposed_for_good, (EXPOSED,)),
}

CAUGHT = (AssertionError, TimeoutError, pytest.fail.Exception, BaseExceptionGroup)


@pytest.mark.parametrize("name", PLANTS)
async def test_a_planted_bug_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(PLANTS[name], monkeypatch)
    for check in PLANTS[name].caught_by:
        with tempfile.TemporaryDirectory() as folder, pytest.raises(CAUGHT):
            await check(tmp_path=Path(folder))


def test_a_list_of_all_that_is_exposed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_catalog_properties, "entries_for", list_all_exposed)
    check = test_catalog_properties.test_a_list_has_each_tool_of_which_any_call_may_pass

    def try_many() -> None:
        for seed in range(20):
            check.hypothesis.inner_test(Random(seed))  # type: ignore[attr-defined]

    with pytest.raises(AssertionError):
        try_many()
