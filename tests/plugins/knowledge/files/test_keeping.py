"""Small files survive a crash at any step: as they were, or as they should be."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from clawmatrix_knowledge.files.keeping import FilesShelf
from clawmatrix_knowledge.files.memory import MemoryFiles, PowerLost

if TYPE_CHECKING:
    from clawmatrix_knowledge.files.port import Files
    from clawmatrix_knowledge.index.store import Shelf


def shelf_of(files: Files) -> Shelf:
    """Return a shelf: mypy holds it against the index's."""
    return FilesShelf(files, ("state",))


def test_files_are_read_added_to_replaced_and_set_aside(files: Files) -> None:
    files.make_folder(("state",))
    shelf = shelf_of(files)
    assert shelf.read("log") == b""
    shelf.append("log", b"one")
    shelf.append("log", b"two")
    assert shelf.read("log") == b"onetwo"
    shelf.replace("log", b"three")
    shelf.replace("other", b"x")
    assert (shelf.read("log"), shelf.read("other")) == (b"three", b"x")
    assert shelf.set_aside("log") == "log.damaged-1"
    shelf.append("log", b"four")
    assert shelf.set_aside("log") == "log.damaged-2"
    assert (shelf.read("log.damaged-1"), shelf.read("log.damaged-2")) == (b"three", b"four")


def test_a_crash_leaves_the_old_or_the_new() -> None:
    chance, steps, done = random.Random(3), 1, False
    while not done:
        files = MemoryFiles()
        files.make_folder(("state",))
        shelf = shelf_of(files)
        shelf.append("log", b"old")
        shelf.replace("snapshot", b"old")
        files.disk.sync_all()
        files.crash_at = files.steps + steps
        expected = {"log": {b"old"}, "snapshot": {b"old"}}
        try:
            expected["log"].add(b"old+new")
            shelf.append("log", b"+new")
            expected["log"] = {b"old+new"}
            expected["snapshot"].add(b"new")
            shelf.replace("snapshot", b"new")
            expected["snapshot"] = {b"new"}
            done = True
        except PowerLost:
            steps += 1
        files.crash(lambda: chance.random() < 0.5)
        assert shelf.read("log") in expected["log"]
        assert shelf.read("snapshot") in expected["snapshot"]
    assert steps > 6


def test_what_does_not_fit_is_taken_back() -> None:
    files = MemoryFiles()
    files.make_folder(("state",))
    shelf = shelf_of(files)
    shelf.append("log", b"old")
    files.capacity = 5
    with pytest.raises(OSError, match="No space"):
        shelf.append("log", b"longer")
    with pytest.raises(OSError, match="No space"):
        shelf.replace("log", b"longer")
    assert shelf.read("log") == b"old"
