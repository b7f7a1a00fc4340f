"""Whether the local server's address is free, or answered by this node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.config.config import HostPort
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.testing.fixtures import free_port
from clawmatrix_http.checks import live_checks, resting_checks

if TYPE_CHECKING:
    from anyio.abc import SocketStream

    from clawmatrix_core.loading.contributions import Check
    from tests.plugins.http.conftest import Serving

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def found_by(checks: list[Check]) -> tuple[str, str]:
    [finding] = await run_checks(checks)
    return finding.status, finding.detail


async def test_a_free_address_is_free_and_left_free() -> None:
    address = HostPort("127.0.0.1", free_port())
    for _ in range(2):
        assert await found_by(resting_checks(address)) == ("ok", f"{address} is free")


async def test_a_server_that_runs_answers_and_has_its_address(serving: Serving) -> None:
    async with serving() as served:
        address = served.http.address
        assert address is not None
        live = [check for check in served.node.checks() if check.name == "http.listen"]
        assert await found_by(live) == ("ok", f"answers at http://{address}")
        taken = f"{address} is taken, by a ClawMatrix node"
        assert await found_by(resting_checks(address)) == ("problem", taken)


async def test_an_address_that_another_program_has_is_told() -> None:
    async def hang_up(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = int(listener.extra(anyio.abc.SocketAttribute.local_port))
    address = HostPort("127.0.0.1", port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, hang_up)
        taken = f"{address} is taken, by another program"
        assert await found_by(resting_checks(address)) == ("problem", taken)
        silent = f"http://{address} is bound, and does not answer"
        assert await found_by(live_checks(lambda: address)) == ("problem", silent)
        tasks.cancel_scope.cancel()


async def test_an_address_of_another_machine_cannot_be_bound() -> None:
    status, detail = await found_by(resting_checks(HostPort("192.0.2.1", 19100)))
    assert (status, "cannot be bound" in detail) == ("problem", True)


async def test_a_server_that_did_not_start_is_a_problem() -> None:
    assert await found_by(live_checks(lambda: None)) == ("problem", "the HTTP server does not run")
