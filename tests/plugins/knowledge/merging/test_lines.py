"""Two edits of a text: what merges, what does not, and what git says of the same."""

from __future__ import annotations

import os
import random
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_knowledge.merging.lines import agree, merge_texts
from clawmatrix_knowledge.merging.matching import edits

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_knowledge.versions import MergeClass

CASES = int(os.environ.get("CLAWMATRIX_MERGE_CASES", "300"))
TEXTS = st.lists(st.sampled_from([b"a", b"b", b"c", b""]), max_size=8).map(
    lambda lines: b"".join(line + b"\n" for line in lines)
)
BASE = b"1\n2\n3\n4\n5\n"


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        (b"0\n1\n2\n3\n4\n5\n", b"1\n2\n3\n4\n5\n6\n", b"0\n1\n2\n3\n4\n5\n6\n"),
        (b"1\nx\n3\n4\n5\n", b"1\n2\n3\ny\n5\n", b"1\nx\n3\ny\n5\n"),
        (b"1\nx\n3\n4\n5\n", b"1\nx\n3\n4\n5\n6\n", b"1\nx\n3\n4\n5\n6\n"),
        (b"1\n2\n4\n5\n", b"1\n2\n3\n4\n5\n6\n", b"1\n2\n4\n5\n6\n"),
        (b"1\n2\n3\n4\n5", b"0\n1\n2\n3\n4\n5\n", b"0\n1\n2\n3\n4\n5"),
        (b"1\r\n2\n3\n4\n5\n", b"1\n2\n3\n4\nx\n", b"1\r\n2\n3\n4\nx\n"),
    ],
    ids=["ends", "lines", "alike", "gone", "newline", "return"],
)
@pytest.mark.parametrize("how", ["union", "lines", "strict"])
def test_edits_that_are_apart_merge(
    one: bytes, other: bytes, merged: bytes, how: MergeClass
) -> None:
    assert merge_texts(BASE, one, other, how) == merged


def test_a_union_keeps_what_either_side_put_in_and_loses_what_either_took_away() -> None:
    base = b"# Notes\n\nold\n"
    one = b"# Notes\n\nold\n\n```\nx\n```\n"
    other = b"# Notes\n\n\n```\ny\n```\n"
    assert merge_texts(base, one, other, "union") == b"# Notes\n\n\n```\ny\n```\n\n```\nx\n```\n"


def test_a_union_keeps_an_insertion_that_both_made_alike_once_and_equal_lines_in_others() -> None:
    assert merge_texts(b"1\n", b"1\na\nb\n", b"1\na\nb\n", "union") == b"1\na\nb\n"
    assert merge_texts(b"1\n", b"1\na\n", b"1\na\nb\n", "union") == b"1\na\na\nb\n"


def test_in_a_union_an_edited_line_beats_a_deleted_one() -> None:
    assert merge_texts(b"1\n2\n3\n", b"1\n3\n", b"1\nx\n3\n", "union") == b"1\nx\n3\n"


def test_insertions_at_one_place_both_stay_in_prose_and_never_in_strict_text() -> None:
    one, other = BASE + b"x\n", BASE + b"y\n"
    assert merge_texts(BASE, one, other, "lines") == BASE + b"x\ny\n"
    assert merge_texts(BASE, one, other, "strict") is None


def test_edits_that_overlap_are_for_a_person_and_those_that_touch_in_strict_text() -> None:
    one, other = b"1\nx\ny\n4\n5\n", b"1\n2\nz\n4\n5\n"
    assert merge_texts(BASE, one, other, "lines") is None
    touching = b"1\n2\nz\n4\n5\n"
    assert merge_texts(BASE, b"1\nx\n3\n4\n5\n", touching, "lines") == b"1\nx\nz\n4\n5\n"
    assert merge_texts(BASE, b"1\nx\n3\n4\n5\n", touching, "strict") is None


def test_an_edit_that_can_be_read_in_two_ways_is_for_a_person_where_that_matters() -> None:
    base, longer = b"a\n\n\n\nz\n", b"a\n\n\n\n\nz\n"
    assert merge_texts(base, longer, b"a\n\nx\n\n\nz\n", "strict") is None


def test_binary_merges_only_what_one_side_changed() -> None:
    assert merge_texts(b"1", b"2", b"1", "binary") == b"2"
    assert merge_texts(b"1\n", b"1\n2\n", b"0\n1\n", "binary") is None


@given(base=TEXTS, one=TEXTS, other=TEXTS, how=st.sampled_from(["union", "lines", "strict"]))
def test_which_side_is_which_makes_no_difference(
    base: bytes, one: bytes, other: bytes, how: MergeClass
) -> None:
    merged = merge_texts(base, one, other, how)
    assert merged == merge_texts(base, other, one, how)
    assert merged is not None or how != "union"
    assert merge_texts(base, base, one, how) == one == merge_texts(base, one, one, how)


@given(base=TEXTS, one=TEXTS, other=TEXTS)
def test_a_union_has_every_line_that_a_side_put_in(base: bytes, one: bytes, other: bytes) -> None:
    merged = merge_texts(base, one, other, "union")
    assert merged is not None
    if base not in (one, other):
        at = 0
        for edit in edits(base.split(b"\n")[:-1], one.split(b"\n")[:-1]):
            put = b"".join(line + b"\n" for line in edit.lines)
            at = merged.index(put, at)


@given(base=TEXTS, side=TEXTS, late=st.booleans(), anchored=st.booleans())
def test_edits_make_the_text_of_the_base(
    base: bytes, side: bytes, late: bool, anchored: bool
) -> None:
    before, after = base.split(b"\n"), side.split(b"\n")
    made, at = [], 0
    for edit in edits(before, after, late=late, anchored=anchored):
        assert edit.start < edit.end or edit.lines
        made += [*before[at : edit.start], *edit.lines]
        at = edit.end
    assert [*made, *before[at:]] == after


def test_what_two_texts_share_is_in_both_in_order() -> None:
    assert agree(b"1\n2\n3\n", b"0\n1\n3\n4\n") == b"1\n3\n"
    assert agree(b"", b"1\n") == b""


def test_large_texts_take_a_bounded_number_of_steps() -> None:
    size = 20_000
    lines = [b"%d\n" % number for number in range(size)]
    other = [b"x%d\n" % number for number in range(size)]
    turned = lines[::-1]
    for one, two in ((lines, other), (turned, other), ([b"\n"] * size, lines), (lines, turned)):
        merge_texts(b"".join(lines), b"".join(one), b"".join(two), "strict")


def _text(rng: random.Random, words: list[bytes], count: int) -> list[bytes]:
    return [b"".join(rng.choice(words) for _ in range(rng.randint(0, 2))) for _ in range(count)]


def _edited(rng: random.Random, words: list[bytes], lines: list[bytes]) -> list[bytes]:
    made = list(lines)
    for _ in range(rng.randint(0, 4)):
        at, roll = rng.randint(0, len(made)), rng.random()
        taken = 0 if roll < 0.4 else rng.randint(1, 3)
        put = _text(rng, words, 0 if 0.4 <= roll < 0.7 else rng.randint(1, 3))
        made[at : at + taken] = put
    return made


def _by_git(folder: Path, base: bytes, one: bytes, other: bytes) -> bytes | None:
    for name, text in (("base", base), ("one", one), ("other", other)):
        (folder / name).write_bytes(text)
    command = ["git", "merge-file", "-p", "-q", "one", "base", "other"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def test_no_text_is_merged_otherwise_than_git_does_it(tmp_path: Path) -> None:
    """Strict text, half of it of few different lines, in which edits can be read in many ways."""
    rng = random.Random(20)
    by_git = by_both = 0
    for number in range(CASES):
        few = [b"a", b"b", b"c", b"}", b""][: rng.randint(2, 5)]
        words = few if number % 2 else [b"w%d " % word for word in range(200)]
        lines = _text(rng, words, rng.randint(0, 25))
        base, one, other = (
            b"".join(line + b"\n" for line in text)
            for text in (lines, _edited(rng, words, lines), _edited(rng, words, lines))
        )
        merged, git = merge_texts(base, one, other, "strict"), _by_git(tmp_path, base, one, other)
        by_git += git is not None
        if merged is not None and git is not None:
            by_both += 1
            assert merged == git, (base, one, other)
    assert by_git > CASES / 3
    assert by_both >= 0.95 * by_git
