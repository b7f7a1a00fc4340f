"""Numbers of progress grow, whatever a tool tells, and words do not flood a client."""

from __future__ import annotations

import math
from itertools import pairwise

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_mcp.offering.progress import WORDS, Reporter

pytestmark = pytest.mark.anyio

NUMBERS = st.none() | st.floats() | st.integers(-3, 10).map(float)


async def told(news: list[tuple[float | None, float | None]]) -> list[tuple[float, float | None]]:
    found: list[tuple[float, float | None]] = []

    async def report(done: float, total: float | None, words: str | None) -> None:
        found.append((done, total))

    async with Reporter(report, "it") as reporter:
        for done, total in news:
            await reporter.tell("words", done=done, total=total)
    return found


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20))
def test_numbers_grow_and_are_numbers(news: list[tuple[float | None, float | None]]) -> None:
    found = anyio.run(told, news)
    assert len(found) == len(news)
    dones = [done for done, _ in found]
    assert all(math.isfinite(done) for done in dones)
    assert all(later > earlier for earlier, later in pairwise(dones))
    assert all(total is None or (math.isfinite(total) and total >= done) for done, total in found)


async def test_numbers_of_the_tool_are_passed_on_as_they_are() -> None:
    assert await told([(1, 4), (2, 4), (2, 4), (4, 4)]) == [(1, 4), (2, 4), (2.001, 4), (4, 4)]


async def test_a_flood_of_words_is_cut() -> None:
    words: list[str | None] = []

    async def report(done: float, total: float | None, said: str | None) -> None:
        words.append(said)

    async with Reporter(report, "it") as reporter:
        for _ in range(10_000):
            await reporter.tell("a\u200b" * 1000)
    assert 10 <= len(words) < 500
    assert words[0] == "a" * WORDS


async def test_what_is_raised_inside_goes_on_as_it_is() -> None:
    async def report(done: float, total: float | None, said: str | None) -> None: ...

    with pytest.raises(LookupError):
        async with Reporter(report, "it"):
            raise LookupError
    async with Reporter(None, "it") as reporter:
        await reporter.tell("nobody hears it")
