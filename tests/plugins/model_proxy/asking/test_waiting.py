"""A host waits until somebody serves a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import LocalProtocolError
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.api import ModelError, ModelUpstream, serve_models, wait_for_model

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

BUILT_IN = ["mesh", "relay", "model-proxy"]
NOWHERE = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize("name", ["m", "office/m"])
async def test_it_returns_once_the_node_links_and_serves(
    name: str, node_factory: NodeFactory
) -> None:
    home = node_factory("home", dials=["office"], built_in=BUILT_IN)
    office = node_factory("office", built_in=BUILT_IN)
    found = anyio.Event()

    async def wait() -> None:
        await wait_for_model(home, name)
        found.set()

    async with home, anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        async with office:
            await wait_until(lambda: home.reachable("office"))
            assert not found.is_set()
            await serve_models(office, [ModelUpstream("m", NOWHERE)])
            with anyio.fail_after(10):
                await found.wait()


async def test_a_model_that_is_there_is_not_waited_for(node_factory: NodeFactory) -> None:
    async with node_factory("home", built_in=BUILT_IN) as node:
        await serve_models(node, [ModelUpstream("m", NOWHERE)])
        await wait_for_model(node, "m")


async def test_a_model_that_nobody_serves_is_waited_for_until_the_host_gives_up(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("home", built_in=BUILT_IN) as node:
        with anyio.move_on_after(0.05) as limit:
            await wait_for_model(node, "m")
        assert limit.cancelled_caught


async def test_a_node_that_does_not_run_is_not_waited_for(node_factory: NodeFactory) -> None:
    with pytest.raises(LocalProtocolError, match="does not run yet"):
        await wait_for_model(node_factory("home", built_in=BUILT_IN), "m")


async def test_a_node_that_stops_ends_the_wait(node_factory: NodeFactory) -> None:
    ended: list[str | None] = []

    async def wait() -> None:
        with pytest.raises(ModelError) as caught:
            await wait_for_model(node, "m")
        ended.append(caught.value.code)

    async with anyio.create_task_group() as tasks:
        async with node_factory("home", built_in=BUILT_IN) as node:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
        await wait_until(lambda: ended)
    assert ended == ["stopping"]
