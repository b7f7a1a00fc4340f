"""The endurance run in short, and how it judges: ``make endure`` runs it for 90 minutes."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest

from clawmatrix_model_proxy.demo.embedded_answer import compute
from tests.endurance.attacks import ATTACKS
from tests.endurance.run import endure
from tests.endurance.traffic import Book, call
from tests.endurance.world import World

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

SECONDS = 10.0


@pytest.mark.timeout(300)
async def test_nodes_that_are_used_restarted_and_attacked_go_on(tmp_path: Path) -> None:
    report = await endure(tmp_path, seconds=SECONDS, seed=3)
    assert report.wrong == []
    assert sum(n for how, n in report.calls.items() if how.endswith("whole")) > 10
    assert set(report.attacks) <= set(ATTACKS)
    assert report.attacks.total() > 1


class Chosen:
    """Chooses what a test says, in the place of random numbers."""

    def __init__(self, model: str) -> None:
        self._choices = iter(["chat", model])

    def random(self) -> float:
        return 0.7

    def choice(self, _: object) -> str:
        return next(self._choices)

    def randint(self, low: int, _: int) -> int:
        return low


async def ended(answer: httpx2.Response, model: str, annex_back: float) -> tuple[Book, str]:
    """Return what is entered for an answer to a whole chat, and how it ended."""
    world = World({}, 1, 2, "token", annex_back)
    rng: Random = Chosen(model)  # type: ignore[assignment]
    book = Book()
    transport = httpx2.MockTransport(lambda _: answer)
    async with httpx2.AsyncClient(transport=transport) as client:
        await call(world, client, rng, book)
    [how] = Counter(book.ended)
    return book, how


def chat(text: str) -> httpx2.Response:
    return httpx2.Response(200, json={"choices": [{"message": {"content": text}}]})


WORDS = compute({"model": "m", "messages": [{"role": "user", "content": "count to 2"}]}).text
ERROR = {"error": {"message": "away", "type": "server_error", "code": "node_unreachable"}}


async def test_an_answer_with_all_its_words_is_whole() -> None:
    book, how = await ended(chat(WORDS), "steady", -math.inf)
    assert how == "chat whole whole"
    assert book.wrong == []


async def test_an_answer_without_its_last_word_is_wrong() -> None:
    book, how = await ended(chat(WORDS.rpartition(" ")[0]), "steady", -math.inf)
    assert how == "chat whole wrong"
    assert len(book.wrong) == 1


@pytest.mark.parametrize(
    ("model", "away", "expected"),
    [
        ("annex/only-annex", True, "chat whole typed error"),
        ("annex/only-annex", False, "chat whole wrong"),
        ("office/steady", True, "chat whole wrong"),
    ],
)
async def test_an_error_is_excused_for_a_node_that_was_restarted(
    model: str, away: bool, expected: str
) -> None:
    back = math.inf if away else anyio.current_time() - 3600
    _, how = await ended(httpx2.Response(502, json=ERROR), model, back)
    assert how == expected


async def test_an_answer_that_breaks_off_is_no_typed_error() -> None:
    _, how = await ended(httpx2.Response(200, text="{"), "annex/only-annex", math.inf)
    assert how == "chat whole wrong"
