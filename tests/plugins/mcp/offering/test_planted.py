"""The tests of what is offered bite: each planted bug makes the test that is named for it fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_mcp.offering import handlers
from clawmatrix_mcp.offering.calls import run_call
from clawmatrix_mcp.offering.offer import Offer
from tests.plugins.mcp.offering import test_calls, test_lists
from tests.tools.planted import fails

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_mcp.offering.calls import Asked
    from clawmatrix_mcp.offering.tables import Offered, Table

pytestmark = [pytest.mark.anyio, pytest.mark.faults_expected]

ASKED, TABLE = handlers._asked, Offer.table


async def split_it(self: Offer, name: str) -> Offered | None:
    """Take the name of the node and that of the tool out of an offered name."""
    node, tool = name.split("__", 1)
    every = (await self.table()).tools.values()
    return next((one for one in every if (one.node, one.entry.name) == (node, tool)), None)


async def keep_it_running(*given: Any, **named: Any) -> dict[str, JSON]:
    """Leave a call running when its client cancels it."""
    return await asyncio.shield(asyncio.create_task(run_call(*given, **named)))


class OneToken:
    """Tells all news under the first token."""

    def __init__(self) -> None:
        self._first: Any = None

    def __call__(self, ctx: Any, arguments: Any) -> Asked:
        asked = ASKED(ctx, arguments)
        self._first = self._first or asked.report
        return attrs.evolve(asked, report=self._first)


async def keep_the_first(self: Offer) -> Table:
    """Ask for lists once."""
    return self.last if self.last.parts else await TABLE(self)


async def test_a_name_that_is_split_is_noticed(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Offer, "find", split_it)
    assert await fails(lambda: test_lists.a_name_is_looked_up(node_factory))


async def test_a_cancel_that_is_not_passed_on_is_noticed(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "run_call", keep_it_running)
    assert await fails(lambda: test_calls.cancel_reaches_the_tool(node_factory, "legacy"))


async def test_a_token_of_progress_that_is_used_again_is_noticed(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_asked", OneToken())
    assert await fails(lambda: test_calls.progress_reaches_its_call(node_factory, "legacy"))


async def test_a_list_that_outlives_a_grant_is_noticed(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Offer, "table", keep_the_first)
    assert await fails(lambda: test_lists.no_list_over_a_withdrawn_grant(node_factory))
