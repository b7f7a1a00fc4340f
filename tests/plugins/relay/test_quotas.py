"""What is counted for each pair of neighbour and origin, however many origins are made up."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_relay.config import RelayConfig
from clawmatrix_relay.quotas import FLOWS, Quotas
from tests.plugins.mesh.conftest import make_node

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
