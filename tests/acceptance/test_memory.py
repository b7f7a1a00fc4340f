"""The memory transport, held to the acceptance suite."""

from __future__ import annotations

import pytest

from clawmatrix_core.testing.acceptance import TRANSPORT_CHECKS, TransportCase, TransportCheck
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport


@pytest.mark.anyio
@pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.both_loops
async def test_the_memory_transport_passes(check: TransportCheck) -> None:
    hub = MemoryHub()
    await check(
        TransportCase(
            transport=lambda: MemoryTransport(hub),
            address="memory://one",
            other="memory://two",
            unreachable="memory://nobody",
        )
    )
