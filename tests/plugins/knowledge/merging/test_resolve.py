"""What all nodes make of several live versions of a path."""

from __future__ import annotations

import random  # noqa: TC003 - read from the annotation
from itertools import permutations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_knowledge.merging.folding import Missing
from clawmatrix_knowledge.merging.names import conflict_path, is_conflict_path
from clawmatrix_knowledge.merging.resolve import copy_of, give_way, resolve
from clawmatrix_knowledge.paths import check_path
from clawmatrix_knowledge.versions import MergeClass, Version, VersionId
from tests.plugins.knowledge.merging.ancestry import History, id_of


def test_edits_made_apart_become_one_version_with_both_as_parents() -> None:
    past = History()
    base = past.write(b"1\n2\n3\n4\n")
    one, other = past.write(b"0\n1\n2\n3\n4\n", base), past.write(b"1\n2\n3\n5\n", base)
    (merged,) = past.resolve().versions
    assert past.text(merged) == b"0\n1\n2\n3\n5\n"
    assert merged.parents == tuple(sorted((one.id, other.id)))
    assert past.live() == [merged]


def test_the_order_of_the_versions_and_who_wrote_them_make_no_difference() -> None:
    past = History(how="strict")
    base = past.write(b"1\n2\n3\n")
    heads = [past.write(text, base) for text in (b"x\n2\n3\n", b"1\n2\ny\n", b"z\n2\n3\n")]
    found = {resolve(order, past, past.read, id_of).versions[0].id for order in permutations(heads)}
    assert len(found) == 1


@pytest.mark.parametrize("how", ["union", "lines", "strict"])
def test_what_nodes_say_of_a_version_beside_it_makes_no_difference(how: MergeClass) -> None:
    """Nodes that merge at once each write an author, times and a size of their own."""
    found = set()
    for turn in range(6):
        past = History("memory/day.md", how)
        base = past.write(b"day\n")
        for number, text in enumerate((b"one\n", b"other\n", b"third\n")):
            said = (number + turn) % 3 if turn < 3 else (turn - number) % 3
            made = past.write(b"day\n" + text, base)
            past.add(attrs.evolve(made, author="abc"[said], time=said, mtime=said, size=said))
        result = past.resolve()
        found.add((tuple(one.id for one in result.versions), tuple(sorted(result.contents))))
    assert len(found) == 1


def test_an_edit_beats_a_deletion_and_two_deletions_are_one() -> None:
    past = History()
    base = past.write(b"1\n")
    edited, gone = past.write(b"2\n", base), past.write(None, base)
    (settled,) = past.resolve().versions
    assert past.text(settled) == b"2\n"
    assert set(settled.parents) == {edited.id, gone.id}
    past = History()
    one = past.write(None, past.write(b"1\n"))
    other = past.write(None, past.write(b"2\n"))
    (settled,) = past.resolve(one, other).versions
    assert settled.kind == "deleted"


@pytest.mark.parametrize("how", ["lines", "strict"])
def test_edits_of_one_line_are_kept_apart(how: str) -> None:
    past = History(how=how)  # type: ignore[arg-type]
    base = past.write(b"1\n")
    one, other = past.write(b"2\n", base), past.write(b"3\n", base)
    settled, copied = past.resolve().versions
    first, second = sorted((one, other), key=lambda version: version.id)
    assert (settled.content, copied.content) == (first.content, second.content)
    assert copied.path == f"notes.conflict-{second.id[:8]}.md"
    assert copied.parents == ()


def test_other_bytes_are_both_kept_and_one_side_s_change_is_taken() -> None:
    past = History("a.png", "binary")
    base = past.write(b"\0", kind="binary")
    changed = past.write(b"\0\1", base, kind="binary")
    same = past.write(b"\0", base, kind="binary", executable=True)
    (settled,) = past.resolve().versions
    assert (settled.content, settled.executable) == (changed.content, True)
    past.resolve(changed, past.write(b"\0\2", base, kind="binary"))
    assert len([v for v in past.versions.values() if is_conflict_path(v.path)]) == 1
    assert same.content == base.content


def test_a_text_that_is_too_large_is_kept_as_it_is() -> None:
    past = History()
    base = past.write(b"x\n" * 3_000_000)
    past.write(b"x\n" * 3_000_000 + b"1\n", base)
    past.write(b"0\n" + b"x\n" * 3_000_000, base)
    assert len(past.resolve().copies) == 1


def test_without_an_ancestor_texts_of_agents_merge_and_others_where_one_has_the_other() -> None:
    past = History("MEMORY.md", "union")
    past.write(b"# Memory\n\n- a\n")
    past.write(b"# Memory\n\n- b\n")
    (merged,) = past.resolve().versions
    assert past.text(merged) == b"# Memory\n\n- a\n- b\n"
    for texts, count in (((b"1\n", b"1\n2\n"), 1), ((b"1\n", b"2\n"), 2), ((b"", b"2\n"), 1)):
        past = History()
        for text in texts:
            past.write(text)
        assert len(past.resolve().versions) == count


def test_bytes_that_are_not_here_are_asked_for() -> None:
    past = History()
    base = past.write(b"1\n")
    past.write(b"1\n2\n", base)
    past.write(b"0\n1\n", base)
    assert base.content is not None
    del past.contents[base.content]
    with pytest.raises(Missing) as caught:
        past.resolve()
    assert caught.value.content == base.content


def test_merges_of_different_pairs_have_one_base_and_lines_stay_once() -> None:
    past = History("memory/day.md", "union")
    base = past.write(b"day\n")
    a, b, c = (past.write(b"day\n" + text, base) for text in (b"a\n", b"b\n", b"c\n"))
    for pair in ((a, b), (b, c), (a, c)):
        past.resolve(*pair)
    (merged,) = past.resolve().versions
    assert sorted((past.text(merged) or b"").splitlines()) == [b"a", b"b", b"c", b"day"]


@given(st.randoms(use_true_random=False), st.integers(2, 4))
def test_nodes_that_append_and_merge_in_any_order_end_alike_with_every_line_once(
    rng: random.Random, nodes: int
) -> None:
    past = History("memory/day.md", "union")
    heads = [past.write(b"day\n")] * nodes
    lines = 0
    for _ in range(12):
        node = rng.randrange(nodes)
        if rng.random() < 0.5:
            lines += 1
            text = past.text(heads[node]) or b""
            heads[node] = past.write(text + b"line %d\n" % lines, heads[node])
        else:
            other = heads[rng.randrange(nodes)]
            heads[node] = _merged(past, heads[node], other)
    while len(past.live()) > 1:
        past.resolve()
    (last,) = past.live()
    told = (past.text(last) or b"").splitlines()
    assert sorted(told) == sorted([b"day", *(b"line %d" % n for n in range(1, lines + 1))])


def _merged(past: History, one: Version, other: Version) -> Version:
    common = past.common([one.id], [other.id])
    if one in common:
        return other
    if other in common:
        return one
    return past.resolve(one, other).versions[0]


def test_a_file_gives_way_to_a_folder_of_its_name() -> None:
    past = History("a")
    version = past.write(b"1\n")
    gone, copied = give_way(version).versions
    assert (gone.path, gone.kind, gone.parents) == ("a", "deleted", (version.id,))
    assert (copied.path, copied.content) == (f"a.conflict-{version.id[:8]}", version.content)


def test_the_copy_of_a_copy_has_one_mark_and_fits() -> None:
    one, two = VersionId("1" * 64), VersionId("2" * 64)
    first = conflict_path("x/notes.md", one)
    assert first == "x/notes.conflict-11111111.md"
    assert conflict_path(first, two) == "x/notes.conflict-22222222.md"
    assert conflict_path(".env", one) == ".env.conflict-11111111"
    assert conflict_path("Makefile", one) == "Makefile.conflict-11111111"
    for name in ("é" * 127, "a." + "b" * 253, "a" * 251 + ".md"):
        check_path(conflict_path(name, one))


def test_a_copy_that_was_made_before_is_the_same_version() -> None:
    past = History()
    version = past.write(b"1\n")
    assert copy_of(version).id == copy_of(version).id
