"""From start to end: in order, whoever cancels, and with plain errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import PluginError
from clawmatrix_core.kernel import life
from clawmatrix_core.kernel.life import Lifetime

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

pytestmark = pytest.mark.anyio


class House:
    """Something that starts and stops, and notes it."""

    def __init__(self, *, complete: bool = True, error: Exception | None = None) -> None:
        self.log: list[str] = []
        self.complete = complete
        self.error = error
        self.lifetime = Lifetime(self.start, self.leave, lambda: self.log.append("given up"))

    async def start(self, stack: AsyncExitStack) -> bool:
        stack.callback(self.log.append, "closed")
        self.log.append("started")
        if self.error is not None:
            raise self.error
        return self.complete

    async def leave(self) -> None:
        await anyio.lowlevel.checkpoint()  # which a cancelled host does not keep it from
        self.log.append("left")


async def test_it_is_up_inside_and_closed_behind() -> None:
    house = House()
    assert repr(house.lifetime) == "<Lifetime starting>"
    async with house.lifetime.live():
        assert house.log == ["started"]
        assert repr(house.lifetime) == "<Lifetime up>"
    assert house.log == ["started", "given up", "left", "closed"]
    assert repr(house.lifetime) == "<Lifetime stopping>"


async def test_a_start_that_fails_raises_just_that_and_closes_what_it_opened() -> None:
    house = House(error=ValueError("no"))
    with pytest.raises(ValueError, match=r"^no$"):
        async with house.lifetime.live():
            raise AssertionError("it was never up")
    assert house.log == ["started", "closed", "given up"]


async def test_what_the_host_raises_passes_as_it_is() -> None:
    house = House()
    with pytest.raises(KeyError, match="mine"):
        async with house.lifetime.live():
            raise KeyError("mine")
    assert house.log == ["started", "given up", "left", "closed"]


async def test_a_host_that_is_cancelled_leaves_in_order() -> None:
    house = House()
    with anyio.CancelScope() as scope:
        async with house.lifetime.live():
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert house.log == ["started", "given up", "left", "closed"]


async def test_an_end_from_inside_stops_in_order_and_is_raised_out_of_the_block() -> None:
    house = House()

    async def live() -> None:
        async with house.lifetime.live():
            house.lifetime.end(PluginError("own", "has had enough"))
            await anyio.sleep_forever()

    with pytest.raises(PluginError, match="plugin own: has had enough"):
        await live()
    assert [word for word in house.log if word != "given up"] == ["started", "left", "closed"]
    assert "given up" in house.log


async def test_a_stop_that_takes_long_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "TOLD", 0.01)
    told, enough = list[float](), anyio.Event()

    class Slow(House):
        async def leave(self) -> None:
            await enough.wait()

    def late(seconds: float) -> None:
        told.append(seconds)
        enough.set()

    house = Slow()
    house.lifetime = Lifetime(house.start, house.leave, lambda: None, late)
    async with house.lifetime.live():
        pass
    assert told == [0.01]
