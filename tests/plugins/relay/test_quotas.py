"""What is counted for each pair of neighbour and origin, however many origins are made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_relay.config import RelayConfig
from clawmatrix_relay.quotas import FLOWS, Quotas
from tests.plugins.mesh.conftest import address_of, make_node

if TYPE_CHECKING:
    from clawmatrix_core.spi import Flow

pytestmark = pytest.mark.anyio


@pytest.mark.bound("clawmatrix_relay.quotas.FLOWS")
async def test_made_up_origins_are_counted_a_bounded_number_at_a_time() -> None:
    async with make_node("home") as node:
        quotas = Quotas(node, RelayConfig())
        mallory = NodeId("mallory")
        for number in range(2 * FLOWS):
            flow = (mallory, NodeId(f"origin-{number}"))
            assert quotas.admit(flow, 1)
            quotas.note(flow, "too much")
        assert repr(quotas) == f"<Quotas of {FLOWS} flows, {FLOWS} dropped from>"
        assert quotas.dropped()[0]["nodeId"] == f"origin-{2 * FLOWS - 1}"


async def test_what_is_dropped_for_the_limit_of_all_does_not_count_for_its_origin() -> None:
    seconds = [0.0]
    async with make_node("home", clock=Clock(now=lambda: seconds[0])) as node:
        quotas = Quotas(node, RelayConfig(origin_frames=10, frames=20))
        *first, late = ((NodeId("relay"), NodeId(name)) for name in ("one", "two", "late"))
        assert [_admitted(quotas, flow) for flow in first] == [10, 10]
        assert _admitted(quotas, late) == 0
        seconds[0] += 0.5
        assert _admitted(quotas, late) == 10


def _admitted(quotas: Quotas, flow: Flow) -> int:
    return sum(quotas.admit(flow, 1) for _ in range(100))


async def test_a_frame_larger_than_what_is_relayed_in_a_second_gets_through() -> None:
    async with make_node("relay", tables={"relay": {"origin_bytes": 40_000}}) as relay:
        peers = [address_of(relay)]
        async with make_node("home", peers=peers) as home, make_node("office", peers=peers):
            await wait_until(lambda: home.reachable("office"))
            request = {"n": 1, "filler": "x" * 60_000}
            with anyio.fail_after(10):
                async with home.exchange("office", "ping", request, complete=True) as exchange:
                    assert await exchange.receive() == {"n": 1}
