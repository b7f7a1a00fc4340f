"""Nodes that offer models prove themselves, also behind a relay; made-up ones do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.trust import PinState
from clawmatrix_core.testing.fixtures import wait_until
from tests.core.members.members import Member
from tests.plugins.model_proxy.asking.asking import NOWHERE, TOGETHER, serves

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

OFFICE = NodeId("office")


@pytest.mark.both_loops
async def test_a_node_behind_a_relay_proves_itself_without_a_request(
    node_factory: NodeFactory,
) -> None:
    hub = node_factory("hub", built_in=("mesh", "relay"))
    office = node_factory("office", dials=["hub"], built_in=TOGETHER, config=serves(NOWHERE))
    home = node_factory("home", dials=["hub"], built_in=TOGETHER)
    async with hub, office, home:
        await wait_until(lambda: home.trust.proven_since(OFFICE) is not None)
        entry = home.trust.get(OFFICE)
        assert entry is not None
        # A session pins no key: the first proof over a link, or a person, still decides.
        assert (entry.state, entry.fingerprint) == (
            PinState.PROVISIONAL,
            office.identity.fingerprint,
        )
        await wait_until(lambda: office.trust.proven_since(NodeId("home")) is not None)


async def test_a_made_up_node_holds_up_no_other_and_is_never_proven(
    node_factory: NodeFactory,
) -> None:
    hub = node_factory("hub", built_in=("mesh", "relay"))
    home = node_factory("home", dials=["hub"], built_in=TOGETHER)
    office = node_factory("office", dials=["hub"], built_in=TOGETHER, config=serves(NOWHERE))
    offers = {"models": [{"id": "m"}]}
    async with hub, home:
        await wait_until(lambda: home.reachable(hub.id))
        for number in range(20):
            ghost = Member(f"ghost{number}")
            home.accept_record(ghost.signed(offers=offers, links={hub.id: 0.01}))
        async with office:
            await wait_until(lambda: home.trust.proven_since(OFFICE) is not None)
            assert home.trust.proven_since(NodeId("ghost0")) is None
