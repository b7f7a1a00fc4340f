"""What changed since a reader looked last."""

from __future__ import annotations

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.changes import Changes

A, B, C = (NodeId(name) for name in "abc")


def test_a_reader_gets_what_changed_since_it_looked_each_name_once() -> None:
    changes = Changes(10)
    assert changes.since(0) == []
    for name in (A, B, A):
        changes.note(name)
    assert changes.since(0) == [A, B]
    assert changes.since(2) == [A]
    mark = changes.mark
    assert changes.since(mark) == []
    changes.note(C)
    assert changes.since(mark) == [C]


def test_a_reader_that_lags_too_far_behind_is_told_so() -> None:
    changes = Changes(2)
    for name in (A, B, C):
        changes.note(name)
    assert changes.since(0) is None
    assert changes.since(1) == [C, B]
    assert repr(changes) == "<Changes 3, 2 names>"
