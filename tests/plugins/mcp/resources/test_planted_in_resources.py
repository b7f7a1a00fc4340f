"""The tests of resources bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core import NodeId, Verdict
from clawmatrix_grants.api import Permit
from clawmatrix_mcp.resources import lists, mesh, permitted, servers, serving
from clawmatrix_mcp.resources.mesh import MeshResources
from clawmatrix_mcp.resources.uris import MeshUri
from clawmatrix_tool_proxy.api import ToolFailed
from tests.plugins.mcp.resources import test_resources

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio, pytest.mark.faults_expected]


async def every_reading_may_pass(*_: object, **__: object) -> Permit:
    """Leave it at the question that has no arguments."""
    return Permit(Verdict("allow"))


class NobodyDecides(serving.ResourceServer):
    """Looks at what is exposed, and not at what is granted."""

    async def _permitted(self, ex: Any, caller: Any, name: str, *more: Any) -> Any:
        found = self._exposed.server(name)
        target, arguments, run = more

        async def ask() -> dict[str, Any]:
            assert found is not None
            result: dict[str, Any] = await run(found)
            return result

        reading = permitted.Reading(ex, caller, target, arguments, lambda: True, ask)
        return await permitted.run_permitted(self._node, reading, Permit(Verdict("allow")))


class UriOfAnyNode:
    """Lets the server's part of a URI say which node it is of."""

    @staticmethod
    def read(text: str) -> MeshUri:
        found = MeshUri.read(text)
        return MeshUri.read(found.uri) if found.uri.startswith("mesh://") else found


def any_node_is_seen(self: MeshResources, name: str) -> NodeId:
    """Ask whatever node a URI names."""
    return NodeId(name)


def take_it_as_it_came(server: str, uri: str) -> str | None:
    """Have no one spelling of a URI."""
    return f"{server}/{uri}"


async def nothing_is_denied(*_: object) -> bool:
    return False


class Nothing:
    """A standing that lets everything go on."""

    why = None

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: object
    caught_by: tuple[Callable[[NodeFactory], Awaitable[None]], ...]


PLANTS = {
    "a resource grant is ignored on read": Plant(
        serving.ResourceServer,
        "_permitted",
        NobodyDecides._permitted,
        (
            test_resources.test_lists_have_what_is_exposed_and_granted_and_no_more,
            test_resources.test_own_clients_read_own_servers_by_the_same_grants,
        ),
    ),
    "a URI of another node is accepted": Plant(
        mesh,
        "MeshUri",
        UriOfAnyNode,
        (test_resources.test_a_uri_of_another_node_within_a_uri_is_the_servers_own,),
    ),
    "nodes that are not seen are asked": Plant(
        MeshResources,
        "_seen_node",
        any_node_is_seen,
        (test_resources.test_nodes_that_are_not_seen_are_not_asked,),
    ),
    "conditions are not looked at": Plant(
        serving,
        "permit",
        every_reading_may_pass,
        (test_resources.test_conditions_see_the_arguments_of_a_prompt,),
    ),
    "a URI has many spellings": Plant(
        serving,
        "resource_target",
        take_it_as_it_came,
        (test_resources.test_lists_have_what_is_exposed_and_granted_and_no_more,),
    ),
    "lists have what is not granted": Plant(
        lists.ListServer,
        "_is_denied",
        nothing_is_denied,
        (test_resources.test_lists_have_what_is_exposed_and_granted_and_no_more,),
    ),
    "everything is exposed": Plant(
        servers.Exposed,
        "has",
        lambda *_: True,
        (test_resources.test_nothing_is_exposed_by_itself,),
    ),
    "what runs is not asked about again": Plant(
        permitted,
        "_standing",
        lambda *_: Nothing(),
        (test_resources.test_a_withdrawn_grant_ends_a_reading,),
    ),
}
CAUGHT = (AssertionError, pytest.fail.Exception, ToolFailed, TimeoutError, BaseExceptionGroup)


@pytest.mark.parametrize("name", PLANTS)
async def test_a_planted_bug_is_caught(
    name: str, node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = PLANTS[name]
    monkeypatch.setattr(plant.owner, plant.name, plant.bug)
    for caught_by in plant.caught_by:
        with pytest.raises(CAUGHT):
            await caught_by(node_factory)
