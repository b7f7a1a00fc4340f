"""Links over WebSocket, held to the acceptance suite."""

from __future__ import annotations

import pytest

from clawmatrix_core.testing.acceptance import LINK_CHECKS, TransportCase, TransportCheck
from clawmatrix_mesh.websocket.transport import WebSocketTransport


@pytest.mark.anyio
@pytest.mark.parametrize("check", LINK_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.both_loops
async def test_links_over_ws_pass(check: TransportCheck) -> None:
    any_port = "ws://127.0.0.1:0"
    await check(TransportCase(WebSocketTransport, any_port, any_port, "ws://127.0.0.1:1"))
