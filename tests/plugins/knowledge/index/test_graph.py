"""Which versions are live, and where they come from."""

from __future__ import annotations

import random  # noqa: TC003 - read from the annotation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_knowledge.index.graph import Graph, UnknownParent
from clawmatrix_knowledge.versions import Version, VersionId
from tests.plugins.knowledge.merging.ancestry import History


def test_a_version_is_live_until_another_one_replaces_it() -> None:
    past, graph = History(), Graph()
    base = past.write(b"1")
    one, other = past.write(b"2", base), past.write(b"3", base)
    assert graph.add(base)
    assert graph.add(one)
    assert not graph.add(one)
    assert graph.live("notes.md") == [one]
    assert graph.unsettled() == []
    graph.add(other)
    assert graph.live("notes.md") == sorted((one, other), key=lambda version: version.id)
    assert graph.unsettled() == ["notes.md"]
    gone = past.write(None, one, other)
    graph.add(gone)
    assert (graph.live("notes.md"), graph.unsettled()) == ([gone], [])
    assert graph.versions("notes.md") == [base, one, other, gone]
    assert set(graph.contents("notes.md")) == {base.content, one.content, other.content}


def test_a_version_whose_parent_is_not_there_is_refused() -> None:
    past, graph = History(), Graph()
    base = past.write(b"1")
    with pytest.raises(UnknownParent, match=r"notes\.md"):
        graph.add(past.write(b"2", base))
    graph.add(base)
    with pytest.raises(UnknownParent):
        graph.add(Version("other.md", "text", base.content, parents=(base.id,)))
    assert graph.common([base.id], [VersionId("0" * 64)]) == []


@given(st.randoms(use_true_random=False), st.integers(1, 25))
def test_what_versions_have_in_common_is_what_a_plain_search_finds(
    rng: random.Random, count: int
) -> None:
    past, graph = History(), Graph()
    for number in range(count):
        known = list(past.versions.values())
        parents = rng.sample(known, min(len(known), rng.choice([0, 1, 1, 1, 2, 3])))
        graph.add(past.write(b"%d" % number, *parents))
    names = list(past.versions)
    left, right = (rng.sample(names, min(count, rng.randint(1, 2))) for _ in range(2))
    assert graph.common(left, right) == past.common(left, right)
    assert graph.live("notes.md") == sorted(past.live(), key=lambda version: version.id)
