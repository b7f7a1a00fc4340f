"""A disk that takes nothing for a while: what the node does beside goes on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import NodeFactory, wait_until
from clawmatrix_mesh.invite.invitations import INVITATIONS, Invitations
from clawmatrix_mesh.members.membership import Membership
from tests.plugins.mesh.conftest import make_node
from tests.plugins.mesh.members.test_intake import Brings
from tests.plugins.mesh.wire import record_of, signed

if TYPE_CHECKING:
    from clawmatrix_core.wire.link import Link

pytestmark = pytest.mark.anyio


class Disk(MemoryState):
    full = False
    full_for = ""

    def write(self, name: str, value: object) -> None:
        if self.full or name == self.full_for:
            raise StateError("no space left")
        super().write(name, value)


def records(first: int, count: int) -> list[Any]:
    identity = Identity.generate()
    names = (f"member-{number}" for number in range(first, first + count))
    return [signed(record_of(name, identity), identity) for name in names]


def waiting(caplog: pytest.LogCaptureFixture) -> int:
    return caplog.text.count("a record from home waits: no space left")


async def test_records_that_had_to_wait_are_taken_in_again_once_there_is_room(
    node_factory: NodeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    disk, link = Disk(), cast("Link", Brings(NodeId("home")))
    async with node_factory("hub", built_in=(), state=disk) as node:
        membership = Membership(node, version="1", protocol=(1, 1), addresses=tuple)
        told = records(0, 300)  # more than are taken at once
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(membership.run_intake)
            disk.full = True
            membership.on_records(link, told)
            await wait_until(lambda: waiting(caplog) == len(told))
            assert len(node.directory) == 0
            disk.full = False
            membership.on_records(link, told)
            await wait_until(lambda: len(node.directory) == len(told))
            tasks.cancel_scope.cancel()


async def test_invitations_that_cannot_be_tidied_away_are_no_end_of_forgetting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = Disk()
    Invitations(disk, wall=lambda: 0.0).make(1.0)
    disk.full_for = INVITATIONS
    async with make_node("hub", state=disk) as node:
        await wait_until(lambda: "old invitations are kept: no space left" in caplog.text)
        assert [info.last_fault for info in node.plugins.list() if info.faults] == []
