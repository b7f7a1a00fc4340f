"""Digests, summaries and batches of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_mesh.members import digests
from clawmatrix_mesh.members.digests import Summary, in_batches, make_digest, missing_in
from tests.core.members.members import Member

if TYPE_CHECKING:
    from clawmatrix_core.members.record import SignedRecord


def clock() -> float:
    return 0.0


def knowing(*records: SignedRecord) -> Member:
    home = Member("home")
    for signed in records:
        home.directory.accept(signed)
    return home


def test_a_node_that_knows_the_same_lacks_nothing() -> None:
    office, lab = Member("office").signed(), Member("lab").signed()
    one, other = knowing(office, lab), knowing(lab, office)
    assert missing_in(make_digest(other.directory.all()), one.directory.all()) == []


def test_a_digest_lacks_unknown_and_older_records() -> None:
    office, lab = Member("office"), Member("lab")
    one = knowing(office.signed(seq=2), lab.signed())
    other = knowing(office.signed(seq=1))
    digest = make_digest(other.directory.all())
    assert missing_in(digest, one.directory.all()) == [lab.signed(), office.signed(seq=2)]
    assert missing_in(make_digest(one.directory.all()), other.directory.all()) == []


@pytest.mark.parametrize("payload", [None, 7, [["lab", 1]], [["lab", 1, 2, 3]], [5]])
def test_a_payload_that_is_no_digest_is_an_error(payload: Any) -> None:
    with pytest.raises(RemoteProtocolError) as raised:
        missing_in(payload, [])
    assert raised.value.reason == "bad_digest"


def test_entries_with_other_types_count_as_not_known() -> None:
    home = knowing(Member("lab").signed())
    assert missing_in([["lab", "1", 1]], home.directory.all()) == [Member("lab").signed()]


def test_a_summary_is_equal_where_two_nodes_know_the_same() -> None:
    office, lab = Member("office").signed(), Member("lab").signed()
    one, other = knowing(office, lab), knowing(office)
    assert str(Summary(one.directory.all, clock)) != str(Summary(other.directory.all, clock))
    other.directory.accept(lab)
    assert str(Summary(one.directory.all, clock)) == str(Summary(other.directory.all, clock))


def test_a_summary_is_kept_until_it_is_outdated() -> None:
    home = knowing(Member("office").signed())
    summary = Summary(home.directory.all, clock)
    before = str(summary)
    home.directory.accept(Member("lab").signed())
    assert str(summary) == before
    summary.outdate()
    assert str(summary) != before


def test_the_summary_of_many_is_computed_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_FEW", 2)
    home, time = knowing(*(Member(name).signed() for name in ("lab", "office", "attic"))), [0.0]
    summary = Summary(home.directory.all, lambda: time[0])
    before = str(summary)
    home.directory.accept(Member("cellar").signed())
    summary.outdate()
    assert str(summary) == before
    time[0] = 0.25
    assert str(summary) != before


def test_records_are_cut_into_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [Member(name).signed() for name in ("a", "b", "c")]
    monkeypatch.setattr(digests, "_BATCH", 2 * len(records[0].text) + 300)
    assert [len(batch) for batch in in_batches(records)] == [2, 1]
    assert [one for batch in in_batches(records) for one in batch] == [r.to_wire() for r in records]
    assert list(in_batches([])) == []
