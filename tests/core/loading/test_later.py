"""Control methods whose code is imported when one of them is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.loading.contributions import ControlMethod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from clawmatrix_core.base.json_value import JSON

pytestmark = pytest.mark.anyio


class Bells:
    """Loads methods, and counts how often, and how often a stream was closed."""

    def __init__(self) -> None:
        self.loaded = self.closed = 0

    async def load(self) -> Sequence[ControlMethod]:
        self.loaded += 1
        return [ControlMethod("ring", call=self.ring), ControlMethod("peal", stream=self.peal)]

    async def ring(self, params: dict[str, JSON]) -> JSON:
        return {"rung": params}

    async def peal(self, params: dict[str, JSON]) -> AsyncIterator[JSON]:
        try:
            for n in range(3):
                yield {**params, "n": n}
        finally:
            self.closed += 1


@pytest.mark.both_loops
async def test_a_method_is_loaded_when_it_is_called() -> None:
    bells = Bells()
    [ring, peal] = ControlMethod.later(bells.load, ["ring"], ["peal"])
    assert (ring.name, peal.name, bells.loaded) == ("ring", "peal", 0)
    assert ring.call is not None
    assert await ring.call({"loud": True}) == {"rung": {"loud": True}}
    assert peal.stream is not None
    assert [item["n"] async for item in peal.stream({})] == [0, 1, 2]
    assert (bells.loaded, bells.closed) == (2, 1)


@pytest.mark.both_loops
async def test_a_stream_that_is_left_is_closed_at_once() -> None:
    bells = Bells()
    [peal] = ControlMethod.later(bells.load, [], ["peal"])
    assert peal.stream is not None
    items = peal.stream({})
    assert await anext(items) == {"n": 0}
    await items.aclose()  # type: ignore[attr-defined] # it is an async generator
    assert bells.closed == 1
