"""A member that floods is held to its share and named; the others' calls are served."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.carrier import Outcome
from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.mesh.conftest import address_of, make_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

OFFICE, MALLORY, RELAY = (NodeId(name) for name in ("office", "mallory", "relay"))
CALLS = 20
LATENCY = 2.0
"""Seconds a call of another member may take meanwhile, all nodes sharing one event loop."""


@attrs.define
class Flooded:
    """A relay, and who is behind it. Mallory floods office, or the relay itself."""

    relay: Node
    home: Node
    mallory: Node
    office: Node
    sent: int = 0

    async def flood(self, target: NodeId) -> None:
        """Send as much as the own link takes, for ever."""
        while True:
            for _ in range(50):
                outcome = self.mallory.switch.transmit(target, "noise", "", b"b", bytes(1000))
                self.sent += outcome is Outcome.SENT
            await anyio.sleep(0.001)

    async def calls(self) -> float:
        """Have home call office again and again; return the longest a call took."""
        worst = 0.0
        for _ in range(CALLS):
            began = anyio.current_time()
            with anyio.fail_after(LATENCY * 4):
                async with self.home.exchange(OFFICE, "ping", complete=True) as exchange:
                    await exchange.receive()
            worst = max(worst, anyio.current_time() - began)
        return worst

    def section(self, name: str) -> Any:
        """Return a section of the relay's status."""
        return next(one.read() for one in self.relay.status_sections() if one.name == name)


@asynccontextmanager
async def flooded(target: NodeId, **tables: dict[str, object]) -> AsyncIterator[Flooded]:
    """Give a mesh in which the flood has begun."""
    async with make_node("relay", tables=tables) as relay:
        peers = [address_of(relay)]
        async with (
            make_node("home", peers=peers) as home,
            make_node("mallory", peers=peers) as mallory,
            make_node("office", peers=peers) as office,
            anyio.create_task_group() as tasks,
        ):
            found = Flooded(relay, home, mallory, office)
            await wait_until(lambda: home.reachable(OFFICE) and mallory.reachable(OFFICE))
            await found.calls()
            tasks.start_soon(found.flood, target)
            await wait_until(lambda: found.sent > 2000)
            yield found
            tasks.cancel_scope.cancel()


async def test_what_is_too_much_to_relay_is_dropped_and_its_origin_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with flooded(OFFICE, relay={"origin_frames": 300}) as mesh:
        assert await mesh.calls() < LATENCY
        await wait_until(lambda: mesh.relay.counters["undeliverable_congested"] > 1000)
        [dropped] = mesh.section("relay")["dropped"]
        assert (dropped["nodeId"], dropped["via"]) == (MALLORY, MALLORY)
        assert dropped["frames"] == mesh.relay.counters["undeliverable_congested"]
        assert MALLORY in mesh.relay.links
        assert "frames of mallory are dropped" in caplog.text


async def test_a_neighbour_that_floods_is_read_more_slowly_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with flooded(RELAY, mesh={"link_frames": 500}) as mesh:
        assert await mesh.calls() < LATENCY
        await wait_until(lambda: mesh.relay.counters["flooding"] > 0)
        slowed = {link["nodeId"]: link["slowedMs"] for link in mesh.section("mesh")["links"]}
        assert slowed.pop("mallory") > 0
        assert set(slowed.values()) == {0}
        assert "refused from mallory: more than is read from one link" in caplog.text
        assert MALLORY in mesh.relay.links
