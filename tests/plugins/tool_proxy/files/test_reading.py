"""The tool ``read``: which lines and bytes come, and where to read on."""

from __future__ import annotations

import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.pieces import LINE, PIECE, pieces
from clawmatrix_tool_proxy.files.reading import ReadLines, time_text
from tests.plugins.tool_proxy.files.helpers import Place, code_of, place_in


def test_a_file_is_read_as_it_is(place: Place) -> None:
    (place.code / "a").write_bytes("grün\r\nblau\n".encode())
    os.utime(place.code / "a", (1_800_000_000, 1_800_000_000))
    data, facts = place.reading("code/a")
    assert data == "grün\r\nblau\n".encode()
    assert facts == {
        "path": "code/a",
        "lines": 2,
        "next": None,
        "size": 12,
        "modified": "2027-01-15T08:00:00Z",
    }


def test_an_empty_file_is_a_result(place: Place) -> None:
    (place.code / "a").touch()
    assert place.reading("code/a")[0] == b""
    assert place.reading("code/a")[1]["lines"] == 0
    assert place.read_bytes("code/a")[0] == b""


@pytest.mark.parametrize(
    ("first", "count", "most", "text", "lines", "after"),
    [
        (1, None, 99, "one\ntwo\nthree", 3, None),
        (2, None, 99, "two\nthree", 2, None),
        (3, None, 99, "three", 1, None),
        (4, None, 99, "", 0, None),
        (99, None, 99, "", 0, None),
        (1, 1, 99, "one\n", 1, 2),
        (2, 1, 99, "two\n", 1, 3),
        (3, 1, 99, "three", 1, None),
        (1, 3, 99, "one\ntwo\nthree", 3, None),
        (1, None, 8, "one\ntwo\n", 2, 3),
        (1, None, 9, "one\ntwo\n", 2, 3),
        (1, None, 7, "one\n", 1, 2),
        (1, 2, 8, "one\ntwo\n", 2, 3),
    ],
)
def test_lines_are_chosen(
    place: Place, first: int, count: int | None, most: int, text: str, lines: int, after: int | None
) -> None:
    (place.code / "a").write_text("one\ntwo\nthree")
    data, facts = place.reading("code/a", first=first, count=count, most=most)
    assert (data.decode(), facts["lines"], facts["next"]) == (text, lines, after)
    assert "line_cut" not in facts


def test_a_line_that_is_too_long_is_cut_and_the_next_one_can_be_read(place: Place) -> None:
    (place.code / "a").write_text("ä" * 100 + "\nshort\n")
    data, facts = place.reading("code/a", most=51)
    assert data.decode() == "ä" * 25, "no character is cut in two"
    assert (facts["lines"], facts["next"], facts["line_cut"]) == (1, 2, True)
    assert place.read("code/a", first=2, most=50) == b"short\n"


def test_the_last_line_of_exactly_the_size_is_whole(place: Place) -> None:
    (place.code / "a").write_text("one\n")
    assert place.reading("code/a", count=1, most=4)[1]["next"] is None


@given(
    lines=st.lists(st.sampled_from(["", "a", "bc", "ü", "x" * 40]), max_size=12),
    ended=st.booleans(),
    most=st.integers(1, 60),
    count=st.none() | st.integers(1, 5),
)
def test_reading_on_gives_everything_but_what_was_cut(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[str],
    ended: bool,
    most: int,
    count: int | None,
) -> None:
    text = "\n".join(lines) + "\n" * ended
    path = tmp_path_factory.getbasetemp() / "reading"
    path.mkdir(exist_ok=True)
    with place_in(path) as place:
        (place.code / "a").write_text(text)
        at: int | None = 1
        got = ""
        while at is not None:
            data, facts = place.reading("code/a", first=at, most=most, count=count)
            assert len(data) <= most
            assert facts["next"] is None or facts["next"] > at, "it goes on"
            got += data.decode(errors="ignore")
            if facts.get("line_cut"):
                got += "…\n"
            at = facts["next"]
    if "…" not in got:
        assert got == text
    else:
        wanted = text.splitlines(keepends=True)
        for line, part in zip(wanted, got.splitlines(keepends=True), strict=True):
            assert part == line or line.startswith(part.removesuffix("…\n"))


def test_bytes_are_read_of_any_file(place: Place) -> None:
    data = bytes(range(256)) * 4
    (place.code / "a").write_bytes(data)
    assert code_of(lambda: place.read("code/a")) == "binary"
    assert place.read_bytes("code/a")[0] == data
    part, facts = place.read_bytes("code/a", first=10, most=5)
    assert (part, facts["bytes"], facts["next"]) == (data[10:15], 5, 15)
    assert place.read_bytes("code/a", first=5000)[1]["next"] is None


@pytest.mark.parametrize("path", ["code/none", "code/none/a", "none/a", "code", "code/a/b"])
def test_what_is_not_there_is_an_error_that_names_the_place(place: Place, path: str) -> None:
    (place.code / "a").touch()
    assert code_of(lambda: place.read(path)) in {"not_found", "no_root", "wrong_kind"}


@given(st.binary(max_size=300), st.integers(1, 40), st.integers(1, 20))
def test_pieces_are_the_file_and_end_with_lines(data: bytes, size: int, line: int) -> None:
    text = data.replace(b"\0", b"\n")
    read, write = os.pipe()
    os.write(write, text)
    os.close(write)
    found = list(pieces(read))
    os.close(read)
    assert b"".join(found) == text
    assert all(piece.endswith(b"\n") for piece in found[:-1])


def test_a_file_without_line_ends_comes_in_pieces(place: Place) -> None:
    with (place.code / "a").open("wb") as file:
        file.truncate(5 * LINE)
    descriptor = os.open(place.code / "a", os.O_RDONLY)
    sizes = [len(piece) for piece in pieces(descriptor)]
    os.close(descriptor)
    assert sum(sizes) == 5 * LINE
    assert max(sizes) <= LINE + PIECE


def test_memory_is_the_same_for_a_huge_file(place: Place) -> None:
    """One of 2 GiB without a line end, and one of 64 MiB of lines."""
    with (place.code / "long").open("wb") as file:
        file.write(b"a")
        file.truncate(2 * 1024**3)
    block = (b"a line of a text\n" * 4096)[:65536]
    with (place.code / "lines").open("wb") as file:
        for _ in range(1024):
            file.write(block)

    def rss() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def read(name: str, first: int) -> int:
        return sum(map(len, ReadLines(place.roots, RootPath("code", (name,)), first, 2**40)))

    read("lines", 10_000_000)
    before = rss()
    assert read("lines", 1) == 64 * 1024**2
    assert code_of(lambda: read("long", 1)) == "binary"
    assert rss() - before < 32 * 1024, "kilobytes"


def test_times_are_text() -> None:
    assert time_text(0) == "1970-01-01T00:00:00Z"
    assert time_text(1e18) == ""
    assert time_text(-1) == "1969-12-31T23:59:59Z"
