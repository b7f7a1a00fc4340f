"""Real nodes and a second implementation of the protocol, over WebSocket."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.to_thread import run_sync

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.invite.inviting import invite
from tests.plugins.mesh.second import Second
from tests.plugins.mesh.wire import port_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

SECOND = NodeId("second")


@asynccontextmanager
async def linked(node: Node) -> AsyncIterator[Second]:
    second = Second("second", SECRET)
    await run_sync(second.dial, port_of(address_of(node)))
    try:
        yield second
    finally:
        second.ws.close()


@asynccontextmanager
async def behind_a_relay() -> AsyncIterator[tuple[Node, Second]]:
    """Run a relay, an office behind it, and the second implementation, which dials the relay."""
    async with make_node("relay") as relay:
        peers = [address_of(relay)]
        async with make_node("office", peers=peers) as office, linked(relay) as second:
            await step_until(second, lambda: office.reachable(SECOND))
            await step_until(second, lambda: "office" in second.records)
            yield office, second
            assert not office.counters, "something was refused"


async def step_until(second: Second, condition: Callable[[], Any]) -> None:
    """Have it take frames until the condition holds; heartbeats keep them coming."""

    def work() -> None:
        while not condition():
            second.step()

    await run_sync(work)


async def is_answered(node: Node, second: Second, n: int) -> None:
    """Have the node ping it."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(step_until, second, lambda: node.id in second.pinged)
        async with node.exchange("second", "ping", {"n": n}, complete=True) as ex:
            assert await ex.receive() == {"n": n}


@pytest.mark.both_loops
async def test_it_links_and_talks_to_a_node() -> None:
    async with make_node("node") as node, linked(node) as second:
        await step_until(second, lambda: node.links[SECOND].rtt is not None)
        # It has the node's newest record when both ends' summaries of all records are equal.
        await step_until(second, lambda: second.told == second.summary())
        known = node.directory.get(SECOND)
        assert known is not None
        assert known.record.tags == ("a second implementation",)
        assert known.record.links == {"node": 1.0}
        assert "second" in second.records["node"]["links"]

        assert await run_sync(second.ping, "node", 7) == {"n": 7}
        await wait_until(lambda: not node.exchanges.live)  # it acknowledged the answer
        await is_answered(node, second, 8)
        assert not node.counters, "something was refused"


async def test_it_joins_by_an_invitation_and_then_links() -> None:
    async with make_node("node") as node:
        token = await invite(node)
        second = Second("second", "it does not know the secret of the mesh")
        await run_sync(second.join, token.encode())
        with pytest.raises(EOFError):
            second.ws.receive()
        second.ws.close()
        second.write_record({})
        await run_sync(second.dial, port_of(address_of(node)))
        await wait_until(lambda: SECOND in node.links)
        second.ws.close()
        assert not node.counters, "something was refused"


async def test_it_opens_a_session_with_a_node_behind_a_relay() -> None:
    async with behind_a_relay() as (office, second):
        assert await run_sync(second.ping, "office", 7) == {"n": 7}
        await is_answered(office, second, 8)


async def test_a_node_behind_a_relay_opens_a_session_with_it() -> None:
    async with behind_a_relay() as (office, second):
        await is_answered(office, second, 9)
        assert await run_sync(second.ping, "office", 10) == {"n": 10}
