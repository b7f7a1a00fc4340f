"""What a node says before it is entered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

TOLD = r"<Node home not started> does not run yet"


async def test_it_has_no_links_and_reaches_nobody(node_factory: NodeFactory) -> None:
    node = node_factory("home")
    assert not node.links
    assert not node.routes
    assert node.reachable("home")
    assert not node.reachable("office")
    assert (await node.path_status("office", probe=True)).status == "unreachable"
    assert not any((node.offers(), node.transports, node.status_sections()))
    assert not any((node.metrics(), node.control_methods()))


@pytest.mark.parametrize(
    "ask",
    [
        lambda node: node.directory,
        lambda node: node.state,
        lambda node: node.identity,
        lambda node: node.trust,
        lambda node: node.revocations,
        lambda node: node.heard,
        lambda node: node.exchange("office", "dice_req"),
        lambda node: node.compute_routes(),
        lambda node: node.expel(b"key"),
    ],
)
async def test_what_it_has_only_while_it_runs_is_a_clear_error(
    ask: Callable[[Node], object], node_factory: NodeFactory
) -> None:
    with pytest.raises(LocalProtocolError, match=TOLD):
        ask(node_factory("home"))


async def test_the_links_are_those_of_the_run(node_factory: NodeFactory) -> None:
    home, office = node_factory("home", dials=["office"]), node_factory("office")
    links = home.links
    async with office, home:
        with pytest.raises(LocalProtocolError, match="entered once"):
            await home.__aenter__()
    assert home.links is links
    assert links == {}
