"""The tools ``write`` and ``edit``: whole files at one stroke, or nothing."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_tool_proxy.api import ToolError
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.text import Text, utf8
from clawmatrix_tool_proxy.files.writing import EDITED
from tests.plugins.audit.helpers import files_of_at_most
from tests.plugins.tool_proxy.files.helpers import (
    NOBODY,
    Place,
    as_ordinary_user,
    code_of,
    small_disk,
)

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_file_is_made_and_replaced(place: Place) -> None:
    assert place.write("code/a", b"one") == {"path": "code/a", "size": 3, "created": True}
    assert place.write("code/a", b"") == {"path": "code/a", "size": 0, "created": False}
    assert (place.code / "a").read_bytes() == b""
    assert os.listdir(place.code) == ["a"]


def test_a_new_file_has_the_mode_of_any_new_file_and_an_old_one_keeps_its_own(place: Place) -> None:
    before = os.umask(0o027)
    try:
        place.write("code/new")
    finally:
        os.umask(before)
    assert mode(place.code / "new") == 0o640
    (place.code / "new").chmod(0o4751)
    place.write("code/new")
    assert mode(place.code / "new") == 0o751, "whoever writes gives no rights of its owner"
    place.edit("code/new", "new", "old")
    assert mode(place.code / "new") == 0o751


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_root_leaves_a_file_to_its_owner(place: Place) -> None:
    (place.code / "a").touch()
    os.chown(place.code / "a", NOBODY, NOBODY)
    place.write("code/a")
    found = (place.code / "a").stat()
    assert (found.st_uid, found.st_gid) == (NOBODY, NOBODY)


def test_a_file_of_another_owner_is_replaced_where_that_is_allowed(place: Place) -> None:
    place.code.chmod(0o777)
    (place.code / "a").touch()
    (place.code / "a").chmod(0o666)
    with as_ordinary_user():
        assert not place.write("code/a")["created"]
    assert (place.code / "a").read_bytes() == b"new"


def test_folders_are_made_on_request(place: Place) -> None:
    assert code_of(lambda: place.write("code/x/y/a")) == "not_found"
    assert place.write("code/x/y/a", parents=True)["created"]
    assert place.write("code/x/y/b", parents=True)["created"]
    assert code_of(lambda: place.write("code/x/y/a/c", parents=True)) == "wrong_kind"
    assert sorted(os.listdir(place.code / "x" / "y")) == ["a", "b"]


@pytest.mark.parametrize("path", ["code", "code/sub", "notes/a", "notes"])
def test_what_cannot_be_written(place: Place, path: str) -> None:
    (place.code / "sub").mkdir()
    (place.notes / "a").write_text("a")
    assert code_of(lambda: place.write(path)) in {"wrong_kind", "read_only"}
    assert code_of(lambda: place.edit(path, "a", "b")) in {"wrong_kind", "read_only"}
    assert (place.notes / "a").read_text() == "a"


def test_a_full_disk_leaves_the_old_file(place: Place) -> None:
    (place.code / "disk").mkdir()
    with small_disk(place.code / "disk") as mounted:
        if not mounted:
            pytest.skip("only root mounts")
        place.write("code/disk/a", b"old")
        assert code_of(lambda: place.write("code/disk/a", b"x" * 200_000)) == "no_space"
        assert code_of(lambda: place.write("code/disk/b", b"x" * 200_000)) == "no_space"
        assert code_of(lambda: place.edit("code/disk/a", "old", "x" * 200_000)) == "no_space"
        assert os.listdir(place.code / "disk") == ["a"]
        assert place.read("code/disk/a") == b"old"


def test_a_file_that_may_not_grow_stays_as_it_was(place: Place) -> None:
    place.write("code/a", b"old")
    with files_of_at_most(65_536):
        assert code_of(lambda: place.write("code/a", b"x" * 200_000)) == "too_large"
    assert place.read("code/a") == b"old"
    assert os.listdir(place.code) == ["a"]


def test_whoever_reads_meanwhile_gets_one_whole_file(place: Place) -> None:
    texts = [bytes([letter]) * 300_000 for letter in b"ab"]
    place.write("code/a", texts[0])
    over = threading.Event()

    def write() -> None:
        for n in range(60):
            place.write("code/a", texts[n % 2])
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not over.is_set():
        seen.add((place.code / "a").read_bytes())
    writer.join()
    assert seen <= set(texts)


def test_a_text_is_replaced_where_it_is(place: Place) -> None:
    place.write("code/a", b"one\ntwo\nthree\n")
    told = place.edit("code/a", "two", "2\n2")
    assert told == {"path": "code/a", "replaced": 1, "lines": [2], "size": 14}
    assert place.read("code/a") == b"one\n2\n2\nthree\n"
    place.edit("code/a", "2\n2\n", "")
    assert place.read("code/a") == b"one\nthree\n"
    assert code_of(lambda: place.edit("code/a", "none", "x")) == "text_not_found"


@pytest.mark.parametrize(
    ("text", "old", "code"),
    [
        ("one", "two", "text_not_found"),
        ("one", "", "text_not_found"),
        ("", "a", "text_not_found"),
        ("a b a", "a", "not_unique"),
        ("aaa", "aa", "not_unique"),
        ("a\0b", "a", "binary"),
    ],
)
def test_what_is_not_there_just_once_is_left(place: Place, text: str, old: str, code: str) -> None:
    place.write("code/a", text.encode())
    assert code_of(lambda: place.edit("code/a", old, "x")) == code
    assert place.read_bytes("code/a")[0] == text.encode()


def test_all_places_are_replaced_on_request(place: Place) -> None:
    place.write("code/a", b"a b\n" * 30)
    told = place.edit("code/a", "b", "cc", every=True)
    assert (told["replaced"], told["lines"]) == (30, list(range(1, 21)))
    assert place.read("code/a") == b"a cc\n" * 30


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\n", "a\nb", "c\nd", b"c\r\nd\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "c", b"c\r\n"),
        (b"a\r\nb\r\n", "b", "c\nd", b"a\r\nc\r\nd\r\n"),
        (b"a\nb\r\n", "a\n", "c\n", b"c\nb\r\n"),
        (b"a\nb\n", "b", "c\r\nd", b"a\nc\r\nd\n"),
        (b"\xef\xbb\xbfa", "a", "\u00e4", b"\xef\xbb\xbf\xc3\xa4"),
        (
            "\ufeffa\u00e4".encode("utf-16-le"),
            "\u00e4",
            "\U0001f600",
            "\ufeffa\U0001f600".encode("utf-16-le"),
        ),
        (
            "\ufeffa\r\nb\r\n".encode("utf-16-be"),
            "a\n",
            "c\nd\n",
            "\ufeffc\r\nd\r\nb\r\n".encode("utf-16-be"),
        ),
        (b"gr\xfcn a", "a", "b", b"gr\xfcn b"),
    ],
)
def test_encoding_and_line_ends_stay(
    place: Place, before: bytes, old: str, new: str, after: bytes
) -> None:
    place.write("code/a", before)
    place.edit("code/a", old, new)
    assert place.read_bytes("code/a")[0] == after


@pytest.mark.parametrize(
    ("before", "old"), [(b"gr\xfcn", "gr"), (b"\xff\xfea\0\0", "a"), (b"\xff\xfe\0\xd8", "a")]
)
def test_no_text_of_another_encoding_is_put_in(place: Place, before: bytes, old: str) -> None:
    place.write("code/a", before)
    assert code_of(lambda: place.edit("code/a", old, "\u00e4")) == "binary"
    assert place.read_bytes("code/a")[0] == before


@pytest.mark.bound("clawmatrix_tool_proxy.files.writing.EDITED")
def test_a_large_file_is_not_edited_nor_made_by_an_edit(place: Place) -> None:
    place.write("code/a", b"a" * EDITED)
    place.write("code/b", b"a" * EDITED + b"b")
    assert code_of(lambda: place.edit("code/b", "b", "c")) == "too_large"
    assert code_of(lambda: place.edit("code/a", "a", "b" * 1000, every=True)) == "too_large"
    assert place.edit("code/a", "a", "b", every=True)["replaced"] == EDITED
    assert (place.code / "a").stat().st_size == EDITED


def test_edits_at_once_all_come_in(place: Place) -> None:
    place.write("code/a", b"\n".join(b"line %d;" % n for n in range(40)))
    threads = [
        threading.Thread(target=place.edit, args=("code/a", f"line {n};", f"done {n};"))
        for n in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert place.read("code/a") == b"\n".join(b"done %d;" % n for n in range(40))


@pytest.mark.parametrize("how", ["written", "replaced", "removed"])
def test_what_somebody_else_changed_meanwhile_is_left(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The other one comes between the reading and the replacing: as the new file is flushed."""
    file = place.code / "a"
    place.write("code/a", b"one")
    flush = os.fsync

    def change(descriptor: int) -> None:
        flush(descriptor)
        if how == "written":
            file.write_bytes(b"ONE")
        elif how == "replaced":
            file.rename(place.code / "b")
            file.write_bytes(b"one")
        elif file.exists():
            file.unlink()

    monkeypatch.setattr(os, "fsync", change)
    assert code_of(lambda: place.edit("code/a", "one", "two")) == "changed"
    assert not file.exists() or file.read_bytes() in (b"ONE", b"one")
    assert not [name for name in os.listdir(place.code) if name.startswith(".")]


@given(
    data=st.lists(st.sampled_from(["a", "b", "\n", "\r\n", "\u00e4"]), max_size=12).map("".join),
    old=st.lists(st.sampled_from(["a", "b", "\n"]), min_size=1, max_size=3).map("".join),
    new=st.sampled_from(["", "a", "x\ny", "\u00e4"]),
    every=st.booleans(),
)
def test_an_edit_is_the_replacement_that_python_makes(
    data: str, old: str, new: str, every: bool
) -> None:
    text = Text.read(RootPath("code"), data.encode())
    if "\r\n" in data and data.count("\n") == data.count("\r\n"):
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    starts = [at for at in range(len(data)) if data.startswith(old, at)]
    replaced = partial(text.replaced, old, new, every=every, most=1000)
    if not starts:
        assert code_of(replaced) == "text_not_found"
    elif len(starts) > 1 and not every:
        assert code_of(replaced) == "not_unique"
    else:
        changed = replaced()
        assert changed.data == data.replace(old, new).encode()
        assert changed.count == data.count(old)
        assert changed.lines[0] == data.count("\n", 0, starts[0]) + 1


def test_what_is_no_text_is_an_error() -> None:
    with pytest.raises(ToolError, match="content is not UTF-8 text"):
        utf8("\ud800", "content")
