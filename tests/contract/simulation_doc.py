"""Writes the tables in docs/simulation.md from the code.

``python -m tests.contract.simulation_doc`` rewrites the file; a test holds it equal.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

from tests.simulation.misfortunes import Misfortunes
from tests.simulation.plants import PLANTS, Plant

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = Path(__file__).parents[2] / "docs" / "simulation.md"


def render() -> dict[str, str]:
    """Return each table by its name."""
    return {
        "misfortunes": _rows(
            "| what happens | a stream may end |",
            *(f"| {_words(one)} | no |" for one in Misfortunes.GENTLE),
            *(f"| {_words(one)} | with an error |" for one in Misfortunes.HARD),
        ),
        "planted bugs": _rows(
            "| bug | what the code does then | caught by |",
            *(_plant(name, plant) for name, plant in PLANTS.items()),
        ),
    }


def _plant(name: str, plant: Plant) -> str:
    return f"| {name} | {_words(plant.bug)} | `{plant.caught_by.__name__}` |"


def _words(thing: Callable[..., object]) -> str:
    return " ".join((inspect.getdoc(thing) or "").split()).rstrip(".")


def _rows(head: str, *rows: str) -> str:
    return "\n".join([head, "|---" * (head.count("|") - 1) + "|", *dict.fromkeys(rows)]) + "\n"


def whole() -> str:
    """Return the file with the tables made new."""
    text = FILE.read_text()
    for name, table in render().items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        head, rest = text.split(begin)
        text = head + begin + table + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    FILE.write_text(whole())
