"""The directory: signatures, ages, names and keys, and records that mean harm."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.directory import (
    LINKS_SHARE,
    LINKS_TOTAL,
    MEMBER_LIMIT,
    PROVED_LIMIT,
    Accepted,
    Directory,
    NodeRecord,
    SignedRecord,
)
from clawmatrix_core.members.succession import hand_over
from tests.core.members.members import Member, base64_of

HOME, OFFICE = NodeId("home"), NodeId("office")
TEXTS = st.text(max_size=8)


def met() -> tuple[Member, Member]:
    """Return home, and an office it has not heard of."""
    home, office = Member("home"), Member("office")
    home.meet()
    return home, office


def reason_of(directory: Directory, signed: SignedRecord, *, proven: bool = False) -> str:
    """Return why a record is refused."""
    before = len(directory)
    with pytest.raises(RemoteProtocolError) as caught:
        directory.accept(signed, proven=proven)
    assert len(directory) == before
    return caught.value.reason


def outcome(directory: Directory, signed: SignedRecord, *, proven: bool = False) -> Accepted:
    """Return what becomes of a record."""
    return directory.accept(signed, proven=proven)[0]


def test_fields_that_a_version_does_not_know_are_kept_in_the_text() -> None:
    home, office = met()
    signed = office.claim(colour="green", links={"home": 2})
    assert outcome(home.directory, signed) is Accepted.NEWER
    peer = home.directory.get(OFFICE)
    assert peer is not None
    assert peer.record.links == {"home": 2.0}
    assert peer.signed.to_wire() == signed.to_wire()
    assert '"colour": "green"' in peer.signed.text


def test_repr_shows_no_record() -> None:
    home, office = met()
    home.meet(office)
    assert repr(home.directory) == "<Directory of home: 2 members>"
    assert "sig" not in repr(home.directory.get(OFFICE)).replace("sign_key", "")


# --- what is taken


def test_members_are_listed_by_name() -> None:
    home = Member("home")
    home.meet(Member("office"), Member("lab"), Member("attic"))
    assert [peer.node_id for peer in home.directory.all()] == ["attic", "home", "lab", "office"]
    assert [peer.node_id for peer in home.directory.others()] == ["attic", "lab", "office"]
    assert len(home.directory) == 4


def test_a_record_that_is_newer_replaces_the_known_one() -> None:
    time = 1.0
    home, office = Member("home", now=lambda: time), Member("office")
    accept = home.directory.accept
    assert accept(office.signed(epoch=2, seq=5))[0] is Accepted.NEWER
    time = 2.0
    assert accept(office.signed(epoch=2, seq=5))[0] is Accepted.STALE
    assert accept(office.signed(epoch=2, seq=4))[0] is Accepted.OLDER
    assert accept(office.signed(epoch=1, seq=9))[0] is Accepted.OLDER
    peer = home.directory.get(OFFICE)
    assert peer is not None
    assert (peer.record.age, peer.received) == ((2, 5), 1.0)
    assert accept(office.signed(epoch=2, seq=6))[0] is Accepted.NEWER
    assert accept(office.signed(epoch=3, seq=0))[0] is Accepted.NEWER
    peer = home.directory.get(OFFICE)
    assert peer is not None
    assert (peer.record.age, peer.received) == ((3, 0), 2.0)


def test_two_records_of_one_age_do_not_take_turns() -> None:
    home, office = met()
    assert outcome(home.directory, office.signed(tags=("a",))) is Accepted.NEWER
    assert outcome(home.directory, office.signed(tags=("b",))) is Accepted.STALE
    assert outcome(home.directory, office.signed(tags=("b",)), proven=True) is Accepted.STALE
    assert outcome(home.directory, office.signed(tags=("a",))) is Accepted.STALE


def test_a_member_that_was_forgotten_may_come_back() -> None:
    home, office = met()
    home.directory.accept(office.signed())
    home.directory.forget(OFFICE)
    home.directory.forget(OFFICE)
    assert home.directory.get(OFFICE) is None
    assert outcome(home.directory, office.signed()) is Accepted.NEWER


def test_a_handshake_pins_what_hearsay_brought() -> None:
    home, office = met()
    home.directory.accept(office.signed())
    entry = home.trust.get(OFFICE)
    assert entry is not None
    assert entry.state.value == "provisional"
    assert outcome(home.directory, office.signed(), proven=True) is Accepted.STALE
    entry = home.trust.get(OFFICE)
    assert entry is not None
    assert entry.state.value == "pinned"


# --- names and keys


def test_a_pinned_name_keeps_its_key() -> None:
    home, office = met()
    home.directory.accept(office.signed(), proven=True)
    thief = Member("office", life=2)
    for proven in (False, True):
        claim = thief.signed(epoch=9)
        assert outcome(home.directory, claim, proven=proven) is Accepted.CONFLICT
    peer = home.directory.get(OFFICE)
    assert peer is not None
    assert peer.record == office.record()
    assert len(home.trust.conflicts()) == 1


def test_a_proved_key_takes_a_name_from_hearsay_whatever_its_age() -> None:
    home, office = met()
    home.directory.accept(Member("office", life=2).signed(epoch=9))
    assert outcome(home.directory, office.signed(epoch=1), proven=True) is Accepted.NEWER
    peer = home.directory.get(OFFICE)
    assert peer is not None
    assert peer.record == office.record()


def test_hearsay_takes_no_members_name_although_a_full_trust_store_keeps_no_key_of_it() -> None:
    home, office = met()
    home.meet(office)
    home.trust.forget(OFFICE)
    other = Member("office", life=2)
    assert home.directory.accept(other.signed(epoch=9))[0] is Accepted.CONFLICT
    known = home.directory.get(OFFICE)
    assert known is not None
    assert known.record.sign_key_bytes() == office.identity.sign_public
    home.trust.forget(OFFICE)
    assert home.directory.accept(other.signed(epoch=9), proven=True)[0] is Accepted.NEWER


def test_a_key_that_a_person_accepted_takes_the_name() -> None:
    home, office = met()
    home.directory.accept(office.signed(epoch=7), proven=True)
    reinstalled = Member("office", life=2)
    home.directory.accept(reinstalled.signed(), proven=True)
    home.trust.accept(OFFICE, reinstalled.identity.fingerprint)
    assert outcome(home.directory, reinstalled.signed(), proven=True) is Accepted.NEWER


def test_the_own_record_of_an_earlier_life_is_told() -> None:
    home = Member("home")
    home.meet()
    assert outcome(home.directory, home.signed(epoch=1, seq=0)) is Accepted.OLDER
    assert outcome(home.directory, home.signed(epoch=1, seq=0), proven=True) is Accepted.OLDER
    assert outcome(home.directory, home.signed(epoch=4)) is Accepted.OWN
    own = home.directory.get(HOME)
    assert own is not None
    assert own.record.epoch == 1


def test_an_own_record_before_the_first_is_of_an_earlier_life() -> None:
    home = Member("home")
    assert outcome(home.directory, home.signed()) is Accepted.OWN


def test_another_key_under_the_own_name_is_a_conflict() -> None:
    home = Member("home")
    home.meet()
    thief = Member("home", life=2)
    assert outcome(home.directory, thief.signed(epoch=9)) is Accepted.CONFLICT
    assert outcome(home.directory, thief.signed(epoch=9), proven=True) is Accepted.CONFLICT


# --- records that mean harm


def test_a_record_signed_by_another_key_is_forged() -> None:
    home, office = met()
    thief = Member("thief")
    forged = SignedRecord.make(office.record(), thief.identity)
    assert reason_of(home.directory, forged) == "forged_record"


def test_a_changed_record_is_forged() -> None:
    home, office = met()
    signed = office.signed()
    changed = SignedRecord(signed.text.replace('"seq":1', '"seq":2'), signed.signature)
    assert reason_of(home.directory, changed) == "forged_record"
    home.directory.accept(signed)
    assert reason_of(home.directory, changed) == "forged_record"


@pytest.mark.parametrize("signature", ["", "?", "ü", "AAAA", base64_of(bytes(64))])
def test_a_signature_that_is_none_is_forged(signature: str) -> None:
    home, office = met()
    assert reason_of(home.directory, SignedRecord(office.signed().text, signature)) == (
        "forged_record"
    )


def test_what_is_older_than_the_known_record_is_not_even_verified() -> None:
    home, office = met()
    home.directory.accept(office.signed(seq=5))
    old = SignedRecord(office.signed(seq=4).text, "")
    assert outcome(home.directory, old) is Accepted.OLDER
    assert reason_of(home.directory, old, proven=True) == "forged_record"


def test_the_signature_of_a_known_record_does_not_vouch_for_another_text() -> None:
    home, office = met()
    signed = office.signed()
    home.directory.accept(signed)
    other = SignedRecord(office.signed(seq=2).text, signed.signature)
    assert reason_of(home.directory, other) == "forged_record"


@pytest.mark.bound("clawmatrix_core.members.directory.MEMBER_LIMIT")
def test_members_by_hearsay_are_bounded_and_those_who_prove_themselves_are_not() -> None:
    home = Member("home")
    record = home.record()
    for number in range(MEMBER_LIMIT):
        name = NodeId(f"node-{number}")
        peer = NodeRecord(name, record.sign_key, record.channel_key, 1, 1, "i")
        home.directory.put_own(peer, SignedRecord("", name))
    office = Member("office")
    assert reason_of(home.directory, office.signed()) == "too_many_members"
    assert outcome(home.directory, office.signed(), proven=True) is Accepted.NEWER
    assert outcome(home.directory, office.signed(seq=2)) is Accepted.NEWER


def test_a_newcomer_takes_a_place_that_the_node_makes_for_it() -> None:
    home, office = Member("home"), Member("office")
    asked: list[str] = []

    def make_room(record: NodeRecord) -> bool:
        asked.append(record.node_id)
        directory.forget(NodeId("node-7"))
        return record.node_id == "office"

    directory = Directory(
        HOME,
        home.identity,
        home.trust,
        now=lambda: 0.0,
        wall=lambda: 0.0,
        make_room=make_room,
    )
    record = home.record()
    for number in range(MEMBER_LIMIT):
        name = NodeId(f"node-{number}")
        peer = NodeRecord(name, record.sign_key, record.channel_key, 1, 1, "i")
        directory.put_own(peer, SignedRecord("", name))
    assert outcome(directory, office.signed()) is Accepted.NEWER
    assert len(directory) == MEMBER_LIMIT
    with pytest.raises(RemoteProtocolError, match="more members"):
        directory.accept(Member("lab").signed())
    assert asked == ["office", "lab"]


@pytest.mark.bound("clawmatrix_core.members.directory.PROVED_LIMIT")
def test_members_that_prove_themselves_are_bounded_as_well() -> None:
    home, office = Member("home"), Member("office")
    away = [NodeId("node-7")]

    def make_place() -> bool:
        for name in away:
            directory.forget(name)
        return bool(away)

    directory = Directory(
        HOME, home.identity, home.trust, now=lambda: 0.0, wall=lambda: 0.0, make_place=make_place
    )
    record = home.record()
    for number in range(PROVED_LIMIT):
        name = NodeId(f"node-{number}")
        peer = NodeRecord(name, record.sign_key, record.channel_key, 1, 1, "i")
        directory.put_own(peer, SignedRecord("", name))
    assert outcome(directory, office.signed(), proven=True) is Accepted.NEWER
    assert len(directory) == PROVED_LIMIT
    away.clear()
    with pytest.raises(RemoteProtocolError, match="more members"):
        directory.accept(Member("lab").signed(), proven=True)
    assert outcome(directory, office.signed(seq=2), proven=True) is Accepted.NEWER


def listing(count: int) -> dict[NodeId, float]:
    return {NodeId(f"x{n}"): 1.0 for n in range(count)}


def crowded(total: int, **options: Any) -> Directory:
    """Return a directory that knows about so many links."""
    home = Member("home")
    directory = Directory(
        HOME, home.identity, home.trust, now=lambda: 0.0, wall=lambda: 0.0, **options
    )
    record, long = home.record(), listing(2048)
    for number in range(total // 2048):
        name = NodeId(f"node-{number}")
        peer = NodeRecord(name, record.sign_key, record.channel_key, 1, 1, "i", links=long)
        directory.put_own(peer, SignedRecord("", name))
    return directory


@pytest.mark.bound("clawmatrix_core.members.directory.LINKS_TOTAL")
def test_long_lists_of_links_are_refused_where_many_links_are_known() -> None:
    directory, office = crowded(LINKS_TOTAL), Member("office")
    assert reason_of(directory, office.signed(links=listing(LINKS_SHARE + 1))) == "too_many_links"
    assert outcome(directory, office.signed(links=listing(LINKS_SHARE))) is Accepted.NEWER
    more = office.signed(seq=2, links=listing(LINKS_SHARE + 1))
    with pytest.raises(RemoteProtocolError, match="office lists 33 links, where 131104 are"):
        directory.accept(more)
    directory.forget(NodeId("node-0"))
    assert outcome(directory, more) is Accepted.NEWER


def test_neighbours_and_who_proves_itself_may_list_more_up_to_a_bound() -> None:
    office, links = Member("office"), listing(300)
    near = crowded(LINKS_TOTAL, is_linked=lambda name: name == OFFICE)
    assert outcome(near, office.signed(links=links)) is Accepted.NEWER
    assert outcome(crowded(LINKS_TOTAL), office.signed(links=links), proven=True) is Accepted.NEWER
    full = crowded(4 * LINKS_TOTAL, is_linked=lambda _: True)
    assert reason_of(full, office.signed(links=links)) == "too_many_links"
    assert outcome(full, office.signed(links=listing(LINKS_SHARE))) is Accepted.NEWER


def test_those_that_cannot_be_reached_give_way_to_links() -> None:
    asked: list[int] = []

    def free(wanted: int) -> None:
        asked.append(wanted)
        if wanted > 0:
            directory.forget(NodeId("node-0"))

    directory = crowded(LINKS_TOTAL, free_links=free)
    assert outcome(directory, Member("office").signed(links=listing(100))) is Accepted.NEWER
    assert asked == [100]


def test_members_are_found_by_the_keys_they_have_and_had() -> None:
    home, office = met()
    key = office.identity.sign_public
    home.directory.accept(office.signed())
    assert home.directory.with_key(key) == [OFFICE]
    assert home.directory.with_key(home.identity.sign_public) == []
    later = Member("office", life=2)
    link = hand_over("office", office.identity, later.identity.sign_public, 1)
    home.directory.accept(later.signed(epoch=2, succession=(link,)))
    assert home.directory.with_key(key) == [OFFICE]
    home.directory.forget(OFFICE)
    assert home.directory.with_key(key) == home.directory.with_key(b"") == []


def test_readers_learn_which_records_came_and_went() -> None:
    home, office = met()
    mark = home.directory.mark
    home.directory.accept(office.signed())
    assert home.directory.changed_since(mark) == [OFFICE]
    assert home.directory.changed_since(0) == [OFFICE, HOME]
    mark = home.directory.mark
    home.directory.forget(OFFICE)
    home.directory.forget(OFFICE)
    assert home.directory.changed_since(mark) == [OFFICE]
    assert home.directory.changed_since(home.directory.mark) == []


def test_it_tells_of_a_member_that_is_gone_and_of_none_that_has_a_newer_record() -> None:
    home, office = met()
    home.meet(office)
    assert outcome(home.directory, office.signed(seq=2)) is Accepted.NEWER
    assert home.gone == []
    home.directory.forget(OFFICE)
    home.directory.forget(OFFICE)
    assert home.gone == ["office"]
    assert outcome(home.directory, office.signed(seq=2)) is Accepted.NEWER


def test_a_proved_record_is_admitted_under_the_key_of_its_name_alone() -> None:
    home, office = met()
    record = office.signed().read()
    assert home.directory.admits(record)
    assert home.directory.admits(record)
    impostor = Member("office", life=2).signed().read()
    assert impostor.sign_key != record.sign_key
    assert not home.directory.admits(impostor)
