"""This node's own record: which links stand in it, and which round trips are worth a new one."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members import record
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until
from clawmatrix_mesh.members.own_record import rtt_matters


@pytest.mark.parametrize(
    ("told", "now", "matters"),
    [
        (None, 1.0, True),
        (10.0, 10.0, False),
        (10.0, 14.0, False),  # by 40 %, but only 4 ms
        (100.0, 120.0, False),  # by 20 ms, but only 20 %
        (10.0, 16.0, True),
        (100.0, 70.0, True),
    ],
)
def test_a_round_trip_is_told_when_it_has_changed_by_a_quarter_and_5_ms(
    told: float | None, now: float, matters: bool
) -> None:
    assert rtt_matters(told, now) is matters


@pytest.mark.anyio
async def test_links_that_do_not_fit_are_counted_and_left_out_until_there_is_room(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "LINKS_LIMIT", 2)
    hub, later = node_factory("hub"), node_factory("a-later-one", dials=["hub"])

    def listed() -> set[str]:
        peer = hub.directory.get(NodeId("hub"))
        return set() if peer is None else {str(name) for name in peer.record.links}

    async with hub, node_factory("spoke-2", dials=["hub"]):
        async with node_factory("spoke-1", dials=["hub"]):
            await wait_until(lambda: listed() == {"spoke-1", "spoke-2"})
            async with later:
                await wait_until(lambda: hub.counters["too_many_links"] == 1)
                assert listed() == {"spoke-1", "spoke-2"}
                await wait_until(lambda: later.reachable(NodeId("spoke-2")))
        await wait_until(lambda: hub.links.keys() == {"spoke-2"})
