"""Contents that are kept: whole, once, and for as long as was promised."""

from __future__ import annotations

import os

import pytest

from clawmatrix_knowledge.contents.history import DAY, History, NoRoom, WrongContent
from clawmatrix_knowledge.files.memory import MemoryFiles
from clawmatrix_knowledge.ids import BLOCK, content_id
from clawmatrix_knowledge.paths import OWN_FOLDER
from clawmatrix_knowledge.versions import ContentId, VersionId

VERSION = VersionId("1" * 64)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def opened(files: MemoryFiles, clock: Clock, **more: int) -> History:
    history = History(files, clock, **more)
    assert history.open() == 0
    return history


def keep(history: History, data: bytes, path: str = "a.md") -> ContentId:
    content = content_id(data)
    parts = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    history.keep(content, parts, path=path, version=VERSION, why="replaced")
    return content


@pytest.mark.parametrize(
    "data", [b"", b"x", b"line\n" * 5000, os.urandom(5000), b"0" * (BLOCK + 1)], ids=len
)
def test_what_is_kept_is_there_after_a_loss_of_power(data: bytes) -> None:
    files, clock = MemoryFiles(), Clock()
    content = keep(opened(files, clock), data)
    files.crash()
    history = opened(files, clock)
    assert b"".join(history.read(content)) == data
    (entry,) = history.entries("a.md")
    assert (entry.content, entry.version, entry.size) == (content, VERSION, len(data))
    assert history.entries("b.md") == []


def test_a_content_is_kept_once_and_text_is_compressed() -> None:
    history = opened(MemoryFiles(), Clock())
    content = keep(history, b"line\n" * 5000)
    size = history.size
    assert size < 1000
    assert keep(history, b"line\n" * 5000, "b.md") == content
    assert history.size == size
    assert len(history.entries()) == 2
    history.purge({"a.md"})
    assert content in history
    history.purge({"b.md"})
    assert content not in history
    assert history.size == 0


def test_bytes_that_are_not_what_their_id_says_are_not_kept() -> None:
    files = MemoryFiles()
    history = opened(files, Clock())
    with pytest.raises(WrongContent):
        history.keep(content_id(b"1"), [b"2"], path="a", version=None, why="deleted")
    assert history.entries() == []
    assert [one.name for one in files.list((OWN_FOLDER, "history"))] == []


def test_what_is_old_goes_and_what_is_young_stays_whatever_it_takes() -> None:
    clock = Clock()
    history = opened(MemoryFiles(), clock, days=30, goal=2500)
    old = keep(history, os.urandom(1000), "old")
    clock.now += 8 * DAY
    young = [keep(history, os.urandom(1000), f"{n}") for n in range(2)]
    assert history.prune() == 0
    assert old not in history
    with pytest.raises(NoRoom):
        history.check_room(1000)
    history.check_room(100)
    young.append(keep(history, os.urandom(1000), "2"))
    assert history.prune() > 0
    assert all(one in history for one in young)
    clock.now += 23 * DAY
    assert history.prune(held=young[:1]) == 0
    assert young[0] in history
    clock.now += 31 * DAY
    history.prune(held=young[:1])
    assert [one in history for one in young] == [True, False, False]


def test_a_torn_entry_is_left_out_and_the_next_one_is_kept() -> None:
    files, clock = MemoryFiles(), Clock()
    keep(opened(files, clock), b"1")
    with files.open((OWN_FOLDER, "history", "entries"), "write") as handle:
        handle.write(handle.stat().size, b'["abc",')
        handle.sync()
    history = History(files, clock)
    assert history.open() == 1
    content = keep(history, b"2", "b.md")
    again = History(files, clock)
    assert again.open() == 1
    assert content in again
    assert len(again.entries()) == 2


def test_a_damaged_content_is_told_as_it_is_read() -> None:
    files, clock = MemoryFiles(), Clock()
    history = opened(files, clock)
    content = keep(history, os.urandom(100))
    with files.open((OWN_FOLDER, "history", content[-2:], content), "write") as handle:
        handle.write(50, b"damage")
    with pytest.raises(WrongContent, match="damaged"):
        b"".join(history.read(content))
