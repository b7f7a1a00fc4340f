"""The tests of mounted servers bite: each planted bug makes the test that is named for it fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_mcp.mounting import mounts
from tests.plugins.mcp.mounting import test_calls, test_lists
from tests.tools.planted import fails

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_mcp.mounting.definitions import Definition

pytestmark = [pytest.mark.anyio]


def pin_by_name_only(definitions: Sequence[Definition]) -> Mapping[str, JSON]:
    """Pin that there is a tool of a name, whatever its server says of it."""
    return {one.tool: {"name": one.tool} for one in definitions}


PLANTED: dict[str, tuple[object, str, object, Callable[..., Any]]] = {
    "pin by name only": (
        mounts,
        "pinned_of",
        pin_by_name_only,
        test_lists.test_a_definition_that_changed_waits_for_a_person,
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
async def test_a_planted_bug_is_noticed(
    bug: str, node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, name, wrong, check = PLANTED[bug]
    monkeypatch.setattr(place, name, wrong)
    assert await fails(lambda: check(node_factory))


async def test_a_cancel_that_is_not_passed_on_is_noticed(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher

    async def say_nothing(*_: object) -> None:
        """Leave the server at work."""

    monkeypatch.setattr(JSONRPCDispatcher, "_cancel_outbound", say_nothing)
    assert await fails(lambda: test_calls.test_a_cancel_reaches_the_server(node_factory))
