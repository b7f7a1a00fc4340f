"""The suite finds a transport whose second close takes its time."""

from __future__ import annotations

import anyio
import pytest

from clawmatrix_core.testing.acceptance import TRANSPORT_CHECKS, TransportCase
from clawmatrix_core.testing.memory import MemoryConnection, MemoryHub, MemoryTransport


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_second_close_that_waits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    close = MemoryConnection.close

    async def slow(self: MemoryConnection, code: int = 1000, reason: str = "") -> None:
        again = self.is_closed
        await close(self, code, reason)
        if again:
            await anyio.sleep(1)

    monkeypatch.setattr(MemoryConnection, "close", slow)
    limit = "clawmatrix_core.testing.acceptance.transports._CLOSES_LIMIT"
    monkeypatch.setattr(limit, 2.0)
    hub = MemoryHub()
    case = TransportCase(lambda: MemoryTransport(hub), "memory://a", "memory://b", "memory://c")
    [check] = [one for one in TRANSPORT_CHECKS if one.__name__ == "closing_twice_is_closing_once"]
    with pytest.raises(AssertionError, match="more closes took"):
        await check(case)
