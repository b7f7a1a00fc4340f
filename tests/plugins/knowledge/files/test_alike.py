"""The file system in memory does what the one of this machine does, call by call."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_knowledge.files.memory import MemoryFiles
from clawmatrix_knowledge.files.real import RealFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clawmatrix_knowledge.files.port import Files, Names

NAMES = ["a", "b", "c"]
ONE = [
    *("stat", "list", "open", "new", "write", "make_folder", "remove_folder", "unlink"),
    "sync_folder",
]
TWO = ["exchange", "rename", "rename_new", "link"]


def place(chance: random.Random) -> Names:
    return tuple(chance.choice(NAMES) for _ in range(chance.choice([1, 1, 1, 2, 2, 3])))


def step(chance: random.Random) -> tuple[str, Sequence[Any]]:
    """Return a call: the name of a function, and what it is given."""
    does = chance.choice([*ONE, "new", "make_folder", *TWO])
    if does in TWO:
        return does, (place(chance), place(chance))
    if does in ("new", "write"):
        return does, (place(chance), bytes(chance.choices(b"xyz", k=chance.randrange(5))))
    return does, (place(chance),)


def called(files: Files, does: str, given: Sequence[Any]) -> object:
    """Call a function; return what can be compared."""
    try:
        if does in ("new", "write"):
            with files.open(given[0], "new" if does == "new" else "write") as handle:
                handle.write(1, given[1])
            return None
        if does == "open":
            with files.open(given[0]) as handle:
                return handle.read(0, 100)
        found = getattr(files, does)(*given)
        if does == "stat":
            return found and (found.kind, found.kind == "file" and (found.size, found.links))
        if does == "list":
            return sorted(entry.name for entry in found)
    except OSError as error:
        return type(error).__name__, error.errno
    return None


def is_left_to_the_system(does: str, given: Sequence[Any]) -> bool:
    """Say whether a call moves a folder, or a place into itself, which nothing here does."""
    if does not in TWO:
        return False
    one, other = given
    shorter = min(len(one), len(other))
    return bool(one[:shorter] == other[:shorter])


@pytest.mark.parametrize("seed", range(40))
def test_both_file_systems_do_alike(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    real, memory = RealFiles(tmp_path), MemoryFiles()
    for _ in range(200):
        does, given = step(chance)
        if is_left_to_the_system(does, given) or _has_folder(real, does, given):
            continue
        assert called(memory, does, given) == called(real, does, given), (does, given)


def _has_folder(files: Files, does: str, given: Sequence[Any]) -> bool:
    if does not in ("rename", "rename_new", "exchange", "link"):
        return False
    kinds = [called(files, "stat", (names,)) for names in given]
    return any(isinstance(kind, tuple) and kind[0] == "folder" for kind in kinds)
