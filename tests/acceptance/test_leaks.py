"""The check that finds transports which keep what is closed, held to planted leaks."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.acceptance import TransportCase
from clawmatrix_core.testing.acceptance.transports import closed_connections_are_not_kept
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from clawmatrix_core.wire.transport import Connection, Listener

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


def case(transport: type[MemoryTransport]) -> TransportCase:
    hub = MemoryHub()
    return TransportCase(lambda: transport(hub), "memory://one", "memory://two", "memory://nobody")


class KeepsDialled(MemoryTransport):
    def __init__(self, hub: MemoryHub) -> None:
        super().__init__(hub)
        self.dialled: list[Connection] = []

    async def dial(self, address: str) -> Connection:
        self.dialled.append(await super().dial(address))
        return self.dialled[-1]


class KeepsAccepted(MemoryTransport):
    @asynccontextmanager
    async def listen(self, address: str) -> AsyncIterator[Listener]:
        accepted: list[Connection] = []
        async with super().listen(address) as listener:
            accept = listener.accept

            async def keep() -> Connection:
                accepted.append(await accept())
                return accepted[-1]

            listener.accept = keep  # type: ignore[method-assign]
            yield listener


class KeepsDescriptors(MemoryTransport):
    opened: list[int]

    async def dial(self, address: str) -> Connection:
        self.opened.append(os.open(os.devnull, os.O_RDONLY))
        return await super().dial(address)


@pytest.fixture
def opened() -> Iterator[list[int]]:
    KeepsDescriptors.opened = []
    yield KeepsDescriptors.opened
    for descriptor in KeepsDescriptors.opened:
        os.close(descriptor)


@pytest.mark.parametrize("transport", [KeepsDialled, KeepsAccepted])
async def test_connections_that_are_kept_are_found(
    transport: type[MemoryTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_core.testing.acceptance.transports._SETTLE", 0.1)
    with pytest.raises(AssertionError, match=r"2[4-9] of 48 ends of closed connections are still"):
        await closed_connections_are_not_kept(case(transport))


async def test_descriptors_that_are_kept_are_found(
    opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_core.testing.acceptance.transports._SETTLE", 0.1)
    with pytest.raises(AssertionError, match="24 closed connections left 24 descriptors open"):
        await closed_connections_are_not_kept(case(KeepsDescriptors))
    assert len(opened) == 25
