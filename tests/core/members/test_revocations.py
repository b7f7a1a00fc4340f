"""Revocations: written, forged, taken in, kept, bounded."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import attrs
import msgspec
import pytest

from clawmatrix_core.base.errors import LocalProtocolError, RemoteProtocolError, StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.revocation import REASON_LIMIT, Revocation, SignedRevocation
from clawmatrix_core.members.revocation_table import BURST, KEPT, MOST, MOST_BY_ONE, REFILL
from clawmatrix_core.members.revocations import AHEAD, Revocations
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState

START = 1_760_000_000.0


def identity(name: str) -> Identity:
    return Identity.generate(Random(name).randbytes)


MALLORY = identity("mallory")


class Place:
    """A node as far as revocations go: its state, its pins, its clock."""

    def __init__(self, name: str) -> None:
        self.name = NodeId(name)
        self.identity = identity(name)
        self.state = MemoryState()
        self.trust = TrustStore(self.state)
        self.now = START
        self.known = self.load()

    def load(self) -> Revocations:
        """Start anew, from what is kept."""
        return Revocations(self.name, self.identity, self.state, self.trust, wall=lambda: self.now)

    def out(self, whom: Identity = MALLORY) -> bool:
        return self.known.get(whom.sign_public) is not None

    def revoke(self, name: str = "mallory", *, revoked: bool = True) -> SignedRevocation:
        return self.known.make(name, identity(name).sign_public, revoked=revoked, reason="stolen")


def said(by: str = "home", **changes: Any) -> Revocation:
    fields: dict[str, Any] = {
        "node_id": "mallory",
        "key": MALLORY.sign_public,
        "by": by,
        "by_key": identity(by).sign_public,
        "at": int(START * 1000),
    }
    return Revocation(**{**fields, **changes})


def signed(by: str = "home", **changes: Any) -> SignedRevocation:
    return SignedRevocation.make(said(by, **changes), identity(by))


def refused(place: Place, signed: SignedRevocation) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        place.known.accept(signed)
    return caught.value.reason


def test_a_revocation_travels_as_it_was_signed() -> None:
    one = signed(reason="gone")
    again = SignedRevocation.from_wire(json.loads(json.dumps(one.to_wire())))
    assert again == one
    assert again.read() == said(reason="gone")
    assert again.is_signed()
    text = json.loads(one.text)
    assert (text["nodeId"], text["by"], text["revoked"]) == ("mallory", "home", True)


def test_words_that_are_not_known_are_left_aside() -> None:
    text = json.dumps({**json.loads(signed().text), "later": 1})
    home = identity("home")
    assert SignedRevocation(text, "").read() == said()
    assert home.sign_public == said().by_key


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"revocation": 1, "sig": "x"},
        {"revocation": "x" * 3000, "sig": "x"},
        {"revocation": "x", "sig": "x" * 101},
    ],
)
def test_what_is_no_revocation_is_refused(value: object) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        SignedRevocation.from_wire(value)
    assert caught.value.reason == "bad_revocation"


@pytest.mark.parametrize(
    "changes",
    [
        {"node_id": "a b"},
        {"by": ""},
        {"key": b"short"},
        {"by_key": b""},
        {"at": -1},
        {"at": 2**53},
        {"reason": "x" * (REASON_LIMIT + 1)},
    ],
)
def test_a_revocation_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    assert refused(Place("lab"), signed(**changes)) == "bad_revocation"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "[" * 900])
def test_a_text_that_is_no_revocation_is_refused(text: str) -> None:
    assert refused(Place("lab"), SignedRevocation(text, "x")) == "bad_revocation"


@pytest.mark.parametrize("signature", ["", "x", "!", "AAAA"])
def test_a_forged_or_altered_revocation_is_refused(signature: str) -> None:
    place = Place("lab")
    assert refused(place, attrs.evolve(signed(), signature=signature)) == "forged_revocation"
    altered = signed().text.replace('"mallory"', '"malory2"')
    assert refused(place, attrs.evolve(signed(), text=altered)) == "forged_revocation"
    forged = SignedRevocation.make(said("home"), MALLORY)
    assert refused(place, forged) == "forged_revocation"
    assert not place.out()


def test_a_revocation_is_taken_once_and_kept() -> None:
    place = Place("lab")
    assert place.known.accept(signed())
    assert not place.known.accept(signed())
    assert place.out()
    place.known.flush()
    place.known = place.load()
    assert place.out()
    [known] = place.known.all()
    assert (known.said.by, known.said.at, known.holds) == ("home", int(START * 1000), True)


def test_the_later_word_holds_in_whatever_order_they_come() -> None:
    out, in_again = signed(), signed("office", at=int(START * 1000) + 1, revoked=False)
    for order in ((out, in_again), (in_again, out)):
        place = Place("lab")
        for one in order:
            place.known.accept(one)
        assert not place.out()


def test_two_nodes_that_heard_the_same_say_the_same() -> None:
    tie = [signed("home"), signed("office")]
    places = [Place("a"), Place("b")]
    for place, order in zip(places, (tie, tie[::-1]), strict=True):
        for one in order:
            place.known.accept(one)
    assert places[0].known.summary() == places[1].known.summary() is not None
    assert Place("c").known.summary() is None


def test_neighbours_find_out_what_the_other_lacks() -> None:
    one, other = Place("one"), Place("other")
    one.known.accept(signed())
    [missing] = one.known.missing([*other.known.ids(), 7, None])
    assert other.known.accept(missing)
    assert one.known.missing(other.known.ids()) == []


def test_only_revokers_are_heard() -> None:
    place = Place("lab")
    place.known.revokers = ("office",)
    assert refused(place, signed("home")) == "unauthorized_revocation"
    assert place.known.accept(signed("office"))


def test_the_author_must_have_the_key_of_the_name() -> None:
    place = Place("lab")
    place.trust.check(NodeId("home"), identity("home").sign_public, proven=True, now=START)
    thief = SignedRevocation.make(said("home", by_key=MALLORY.sign_public), MALLORY)
    assert refused(place, thief) == "unauthorized_revocation"
    own_name = SignedRevocation.make(said("lab", by_key=MALLORY.sign_public), MALLORY)
    assert refused(place, own_name) == "unauthorized_revocation"


def test_who_is_revoked_revokes_nobody_and_lets_nobody_in() -> None:
    place = Place("lab")
    place.known.accept(signed())
    by_mallory = {"node_id": "home", "key": identity("home").sign_public}
    assert refused(place, signed("mallory", **by_mallory)) == "unauthorized_revocation"
    undone = signed("mallory", revoked=False, at=int(START * 1000) + 5)
    assert refused(place, undone) == "unauthorized_revocation"
    assert place.out()


def test_the_future_is_refused() -> None:
    place = Place("lab")
    late = int((START + AHEAD) * 1000)
    assert refused(place, signed(at=late + 1)) == "bad_revocation"
    assert place.known.accept(signed(at=late))


def test_an_own_word_goes_before_all_that_was_said() -> None:
    place = Place("lab")
    place.known.accept(signed(at=int(START * 1000) + 60_000))
    undone = place.revoke(revoked=False)
    assert undone.read().at == int(START * 1000) + 60_001
    assert not place.out()
    assert not place.load().get(MALLORY.sign_public)
    place.revoke()
    assert place.out()


def test_a_person_undoes_one_at_this_node_only() -> None:
    place = Place("lab")
    place.known.accept(signed())
    place.known.ignore(MALLORY.sign_public)
    assert not place.out()
    place.known = place.load()
    assert not place.out()
    [known] = place.known.all()
    assert (known.ignored, known.holds, known.said.revoked) == (True, False, True)
    assert place.known.accept(signed("office", at=int(START * 1000) + 1))
    assert place.out()


def about(number: int, by: str, **changes: Any) -> SignedRevocation:
    return signed(by, key=number.to_bytes(32), **changes)


def fill(place: Place, count: int = MOST - KEPT) -> None:
    """Take in words by authors that nobody has heard of."""
    for number in range(count):
        place.known.accept(about(number, f"author{number // MOST_BY_ONE}"))
    place.now += 1


@pytest.mark.bound("clawmatrix_core.members.revocation_table.MOST_BY_ONE")
def test_how_many_one_author_may_have_is_bounded() -> None:
    place = Place("lab")
    for number in range(MOST_BY_ONE):
        place.known.accept(about(number, "mallory"))
    assert refused(place, about(MOST_BY_ONE, "mallory")) == "too_many_revocations"
    place.known.accept(about(0, "home", at=int(START * 1000) + 1))
    assert place.known.accept(about(MOST_BY_ONE, "mallory"))


@pytest.mark.bound("clawmatrix_core.members.revocation_table.MOST")
def test_how_many_are_kept_is_bounded_and_no_newcomer_drives_out_another() -> None:
    place = Place("lab")
    fill(place)
    assert refused(place, about(MOST, "late")) == "too_many_revocations"
    assert refused(place, about(MOST + 1, "author9")) == "too_many_revocations"
    assert len(place.known.all()) == MOST - KEPT


@pytest.mark.parametrize("proven", [True, False])
def test_a_member_that_was_known_before_is_heard_while_others_flood(proven: bool) -> None:
    place = Place("lab")
    place.trust.check(NodeId("home"), identity("home").sign_public, proven=proven, now=START)
    place.now += 60
    fill(place)
    assert place.known.accept(signed("home"))
    assert place.out()
    assert len(place.known.all()) == MOST - KEPT
    assert refused(place, about(MOST, "late")) == "too_many_revocations"
    assert place.out()
    place.known.flush()
    assert place.load().get(MALLORY.sign_public) is not None


def test_of_many_the_words_of_who_was_revoked_give_way_first() -> None:
    place = Place("lab")
    for name in ("mallory", "home"):
        place.trust.check(NodeId(name), identity(name).sign_public, proven=True, now=place.now)
        place.now += 60
    for number in range(MOST_BY_ONE):
        place.known.accept(about(number, "mallory"))
    for number in range(MOST_BY_ONE, MOST - KEPT - 1):
        place.known.accept(about(number, f"author{number // MOST_BY_ONE}"))
    assert place.known.accept(signed("home"))
    place.now += 1
    for number in range(5):
        assert place.known.accept(about(MOST + number, "home"))
    by_mallory = [one for one in place.known.all() if one.said.by == "mallory"]
    assert len(by_mallory) == MOST_BY_ONE - 5
    assert place.out()


def test_places_are_kept_for_revokers_and_for_the_nodes_own_words() -> None:
    place = Place("lab")
    fill(place)
    place.known.revokers = ("office", "home")
    for number in range(KEPT):
        assert place.known.accept(about(MOST + number, "office"))
    assert len(place.known.all()) == MOST
    assert place.known.accept(signed("home"))  # in the place of one by an author nobody knows
    assert len(place.known.all()) == MOST
    place.revoke("thief")
    assert place.out(identity("thief"))


def test_words_on_one_key_are_taken_at_a_rate_and_those_on_others_go_on() -> None:
    place = Place("lab")
    at = int(START * 1000)
    for again in range(1 + BURST):
        assert place.known.accept(about(1, "home", at=at + again))
    assert refused(place, about(1, "home", at=at + 99)) == "too_many_revocations"
    assert place.known.accept(signed("home"))
    place.now += REFILL
    assert place.known.accept(about(1, "home", at=at + 100))
    assert refused(place, about(1, "home", at=at + 101)) == "too_many_revocations"
    place.known.revokers = ("home",)
    assert place.known.accept(about(1, "home", at=at + 102))


def test_own_words_are_signed_again_under_a_new_key() -> None:
    place = Place("lab")
    before = place.revoke()
    place.identity = identity("lab, later")
    place.known = place.load()
    [again] = place.known.missing([])
    assert again.is_signed()
    assert again.read() == msgspec.structs.replace(
        before.read(), by_key=place.identity.sign_public, at=before.read().at + 1
    )
    place.known.flush()
    assert place.load().summary() == place.known.summary()


@pytest.mark.parametrize(
    "stored",
    [[], {"said": [1]}, {"said": [{"text": "{", "signature": ""}]}, {"ignored": {"!": 1}}],
)
def test_a_damaged_file_is_named(stored: object) -> None:
    place = Place("lab")
    place.state.write("revocations", stored)
    with pytest.raises(StateError, match=r"revocations \(in memory\) is damaged"):
        place.load()


def test_a_long_reason_is_refused_before_anything_is_kept() -> None:
    home = Place("home")
    with pytest.raises(LocalProtocolError, match=f"at most {REASON_LIMIT} characters"):
        home.known.make("mallory", MALLORY.sign_public, reason="x" * (REASON_LIMIT + 1))
    assert home.known.all() == []


def test_a_revocation_has_its_key_as_people_compare_it() -> None:
    assert said().fingerprint == MALLORY.fingerprint
