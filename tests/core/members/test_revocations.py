"""Revocations: written, forged, taken in, kept, bounded."""

from __future__ import annotations

import base64
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
from clawmatrix_core.members.revocation_table import (
    BURST,
    MOST,
    MOST_BY_ONE,
    REFILL,
    WAITING_BY_ONE,
    WAITING_MOST,
)
from clawmatrix_core.members.revocations import AHEAD, KnownRevocation, Revocations, Verdict
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState

START = 1_760_000_000.0


def identity(name: str) -> Identity:
    return Identity.generate(Random(name).randbytes)


MALLORY = identity("mallory")


class Place:
    """A node as far as revocations go: its state, its pins, its clock, and whom it obeys."""

    def __init__(self, name: str, *revokers: str) -> None:
        self.name = NodeId(name)
        self.revokers = {one: identity(one).sign_public for one in revokers or ("home", "office")}
        self.identity = identity(name)
        self.state = MemoryState()
        self.trust = TrustStore(self.state)
        self.now = START
        self.known = self.load()

    def load(self) -> Revocations:
        """Start anew, from what is kept."""
        known = Revocations(self.name, self.identity, self.state, self.trust, wall=lambda: self.now)
        known.name_revokers(self.revokers)
        known.settle()
        return known

    def again(self) -> None:
        """Keep what is known, and start anew from it."""
        self.known.flush()
        self.trust.flush()
        self.trust = TrustStore(self.state)
        self.known = self.load()

    def waiting(self) -> list[str]:
        """Return the authors of what waits."""
        return [known.said.by for known in self.known.waiting()]

    def word(self, by: str) -> KnownRevocation:
        """Return the one that is kept of an author."""
        [known] = [known for known in self.known.all() if known.said.by == by]
        return known

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


def fill(place: Place, count: int = WAITING_MOST) -> None:
    """Take in words by authors that nobody has heard of."""
    for number in range(count):
        place.known.accept(about(number, f"author{number // WAITING_BY_ONE}"))
    place.now += 1


@pytest.mark.parametrize(
    ("author", "bound"),
    [
        pytest.param(
            "home",
            MOST_BY_ONE,
            marks=pytest.mark.bound("clawmatrix_core.members.revocation_table.MOST_BY_ONE"),
        ),
        pytest.param(
            "mallory",
            WAITING_BY_ONE,
            marks=pytest.mark.bound("clawmatrix_core.members.revocation_table.WAITING_BY_ONE"),
        ),
    ],
)
def test_how_many_one_author_may_have_is_bounded(author: str, bound: int) -> None:
    place = Place("lab")
    for number in range(bound):
        place.known.accept(about(number, author))
    assert refused(place, about(bound, author)) == "too_many_revocations"
    assert place.known.accept(about(0, author, at=int(START * 1000) + 1))
    assert place.known.accept(about(bound, "office"))


@pytest.mark.bound("clawmatrix_core.members.revocation_table.WAITING_MOST")
def test_how_many_wait_is_bounded_and_no_newcomer_drives_out_another() -> None:
    place = Place("lab")
    fill(place)
    assert refused(place, about(MOST, "late")) == "too_many_revocations"
    assert refused(place, about(MOST + 1, "author9")) == "too_many_revocations"
    assert len(place.known.all()) == WAITING_MOST


@pytest.mark.parametrize("proven", [True, False])
def test_a_member_that_was_known_before_is_heard_while_others_flood(proven: bool) -> None:
    place = Place("lab", "nobody")
    place.trust.check(NodeId("home"), identity("home").sign_public, proven=proven, now=START)
    place.now += 60
    fill(place)
    assert place.known.accept(signed("home"))
    assert "home" in place.waiting()
    assert len(place.known.all()) == WAITING_MOST
    assert refused(place, about(MOST, "late")) == "too_many_revocations"
    place.again()
    assert "home" in place.waiting()


def test_of_many_the_words_of_who_was_revoked_give_way_first() -> None:
    place = Place("lab", "office")
    for name in ("mallory", "home"):
        place.trust.check(NodeId(name), identity(name).sign_public, proven=True, now=place.now)
        place.now += 60
    for number in range(WAITING_BY_ONE):
        place.known.accept(about(number, "mallory"))
    for number in range(WAITING_BY_ONE, WAITING_MOST):
        place.known.accept(about(number, f"author{number // WAITING_BY_ONE}"))
    assert place.known.accept(signed("office"))
    place.now += 1
    for number in range(5):
        assert place.known.accept(about(MOST + number, "home"))
    by_mallory = [one for one in place.known.all() if one.said.by == "mallory"]
    assert len(by_mallory) == WAITING_BY_ONE - 5
    assert place.out()


@pytest.mark.bound("clawmatrix_core.members.revocation_table.MOST")
def test_places_are_kept_for_revokers_and_for_the_nodes_own_words() -> None:
    place = Place("lab", *(f"revoker{number}" for number in range(5)), "home")
    fill(place)
    for number in range(MOST - WAITING_MOST):
        assert place.known.accept(about(MOST + number, f"revoker{number // MOST_BY_ONE}"))
    assert len(place.known.all()) == MOST
    assert place.known.accept(signed("home"))  # in the place of one by an author nobody knows
    assert len(place.known.all()) == MOST
    assert len(place.waiting()) == WAITING_MOST - 1
    place.revoke("thief")
    assert place.out(identity("thief"))


def test_words_on_one_key_are_taken_at_a_rate_and_those_on_others_go_on() -> None:
    place = Place("lab")
    at = int(START * 1000)
    for again in range(1 + BURST):
        assert place.known.accept(about(1, "loft", at=at + again))
    assert refused(place, about(1, "loft", at=at + 99)) == "too_many_revocations"
    assert place.known.accept(signed("loft"))
    place.now += REFILL
    assert place.known.accept(about(1, "loft", at=at + 100))
    assert refused(place, about(1, "loft", at=at + 101)) == "too_many_revocations"
    place.known.name_revokers({"loft": identity("loft").sign_public})
    assert place.known.accept(about(1, "loft", at=at + 102))


# --- whose word counts


def test_the_word_of_who_is_no_revoker_waits_and_is_passed_on() -> None:
    place = Place("lab", "office")
    assert place.known.accept(signed("home"))
    assert not place.out()
    assert place.waiting() == ["home"]
    assert place.known.missing([]) == [signed("home")]
    assert place.known.accept(signed("office"))
    assert place.out()
    assert place.waiting() == [], "it would change nothing"
    assert place.word("home").verdict is Verdict.OVERTAKEN


def test_where_nobody_is_named_every_word_but_the_own_waits() -> None:
    place = Place("lab")
    place.known.name_revokers({})
    place.known.accept(signed("home"))
    assert not place.out()
    place.revoke("thief")
    assert place.out(identity("thief"))
    assert place.known.settle() == [identity("thief").sign_public]


def test_a_name_counts_with_its_key_only() -> None:
    place = Place("lab")
    place.known.name_revokers({"home": identity("another").sign_public})
    place.known.accept(signed("home"))
    assert not place.out()
    assert place.waiting() == ["home"]


def test_a_key_that_is_named_counts_whoever_has_taken_its_name_here() -> None:
    place = Place("lab")
    place.trust.check(NodeId("home"), MALLORY.sign_public, proven=True, now=START)
    place.known.accept(signed("home"))
    assert place.out()


def test_naming_a_revoker_puts_its_words_in_force_and_taking_it_out_ends_that() -> None:
    place = Place("lab", "office")
    place.known.accept(signed("home"))
    for named, out in (("home", True), ("office", False), ("home", True)):
        place.known.name_revokers({named: identity(named).sign_public})
        assert place.out() is out
        assert place.known.settle() == [MALLORY.sign_public]
        assert place.known.settle() == []


def test_who_waits_undoes_nothing() -> None:
    place = Place("lab", "office")
    place.known.accept(signed("office"))
    assert place.known.accept(signed("home", at=int(START * 1000) + 5, revoked=False))
    assert place.out()
    assert place.waiting() == ["home"], "a person may let it in again"


def rotate(place: Place, name: str, *later: str) -> Identity:
    """Have a place take the changes of a name's key."""
    keys = [identity(one) for one in later]
    for key in keys:
        place.trust.succeed(NodeId(name), key.sign_public, now=place.now)
    return keys[-1]


def by_key(by: str, author: Identity, **changes: Any) -> SignedRevocation:
    return SignedRevocation.make(said(by, by_key=author.sign_public, **changes), author)


def test_a_rotation_that_the_trust_store_took_is_followed() -> None:
    place = Place("lab", "home")
    later = identity("home, later")
    place.trust.check(NodeId("home"), identity("home").sign_public, proven=True, now=START)
    assert refused(place, by_key("home", later)) == "unauthorized_revocation"
    latest = rotate(place, "home", "home, later", "home, latest")
    assert place.known.revokers == {"home": latest.sign_public}
    place.known.accept(by_key("home", latest))
    assert place.out()
    place.again()
    assert place.out()
    assert place.known.revokers == {"home": latest.sign_public}


def test_a_rotation_that_is_learned_of_after_the_word_puts_it_in_force() -> None:
    place = Place("lab", "home")
    later, first = identity("home, later"), identity("home").sign_public
    place.known.accept(by_key("home", later))
    assert not place.out()
    place.trust.learn_past(NodeId("home"), later.sign_public, (first,), now=START)
    assert place.out()
    assert place.known.settle() == [MALLORY.sign_public]


def test_another_key_under_a_revokers_name_is_no_rotation() -> None:
    place = Place("lab", "home")
    place.trust.check(NodeId("home"), identity("home").sign_public, proven=True, now=START)
    place.trust.insist(NodeId("home"), MALLORY.sign_public, now=START)
    assert place.known.accept(by_key("home", MALLORY, key=identity("x").sign_public))
    assert not place.out(identity("x"))
    assert place.waiting() == ["home"]


def test_who_has_an_old_key_of_a_revoker_revokes_nobody() -> None:
    place = Place("lab", "home")
    place.trust.check(NodeId("home"), identity("home").sign_public, proven=True, now=START)
    rotate(place, "home", "home, later")
    old = identity("home")
    for name in ("home", "somebody"):
        assert refused(place, by_key(name, old)) == "unauthorized_revocation"
        own = by_key(name, old, node_id="home", key=old.sign_public)
        assert refused(place, own) == "unauthorized_revocation"
    place.again()
    assert refused(place, by_key("somebody", old)) == "unauthorized_revocation"


# --- a key's word on itself


def of_itself(name: str = "mallory", **changes: Any) -> SignedRevocation:
    return signed(name, node_id=name, key=identity(name).sign_public, **changes)


def test_a_keys_revocation_of_itself_holds_whatever_others_say() -> None:
    place = Place("lab")
    place.known.name_revokers({})
    place.known.accept(of_itself())
    assert place.out()
    place.known.name_revokers(place.revokers)
    place.known.accept(signed("home", at=int(START * 1000) + 5, revoked=False))
    place.revoke(revoked=False)
    assert place.out()
    place.again()
    assert place.out()


def test_a_key_does_not_let_itself_in() -> None:
    place = Place("lab")
    assert refused(place, of_itself(revoked=False)) == "unauthorized_revocation"
    place.known.accept(signed("home"))
    assert refused(place, of_itself(revoked=False)) == "unauthorized_revocation"
    assert place.known.accept(of_itself())
    place.known.accept(signed("home", at=int(START * 1000) + 5, revoked=False))
    assert place.out()


def test_made_up_keys_that_revoke_themselves_take_no_place_of_a_revoker() -> None:
    place = Place("lab")
    for number in range(WAITING_MOST):
        place.known.accept(of_itself(f"x{number}"))
    assert refused(place, of_itself("late")) == "too_many_revocations"
    assert place.known.accept(signed("home"))
    assert place.out()


def test_a_member_that_was_known_revokes_itself_though_others_flood() -> None:
    place = Place("lab")
    place.trust.check(NodeId("mallory"), MALLORY.sign_public, proven=True, now=START)
    place.now += 60
    fill(place)
    assert place.known.accept(of_itself())
    place.now += 60
    assert refused(place, about(MOST, "late")) == "too_many_revocations"
    assert place.out()


# --- what a person decides


def test_what_a_person_accepts_holds_over_restarts_and_whatever_its_author_says() -> None:
    place = Place("lab", "office")
    place.known.accept(signed("home"))
    place.again()
    assert place.waiting() == ["home"]
    place.known.decide(place.word("home").id, take=True)
    assert place.out()
    assert place.waiting() == []
    place.known.accept(signed("home", at=int(START * 1000) + 1, revoked=False))
    assert place.out(), "its author's newer word waits like the first"
    assert place.waiting() == ["home"]
    place.again()
    assert place.out()
    place.known.accept(signed("office", at=int(START * 1000) + 2, revoked=False))
    assert not place.out()


def test_what_a_person_rejects_waits_no_longer_over_restarts() -> None:
    place = Place("lab", "office")
    place.known.accept(signed("home"))
    place.known.decide(place.word("home").id, take=False)
    for _ in range(2):
        assert not place.out()
        assert place.waiting() == []
        assert place.word("home").verdict is Verdict.REJECTED
        assert not place.known.accept(signed("home"))
        place.again()
    place.known.accept(signed("home", at=int(START * 1000) + 1))
    assert place.waiting() == ["home"], "another word of it waits again"


def test_a_person_may_change_a_decision() -> None:
    place = Place("lab", "office")
    place.known.accept(signed("home"))
    for take in (True, False, True):
        place.known.decide(place.word("home").id, take=take)
        place.again()
        assert place.out() is take
    with pytest.raises(LookupError, match="no revocation 1234 is known"):
        place.known.decide("1234", take=True)


@pytest.mark.parametrize("take", [True, False])
def test_what_a_person_decided_gives_way_to_no_flood(take: bool) -> None:
    place = Place("lab", "office")
    place.known.accept(signed("home"))
    place.known.decide(place.word("home").id, take=take)
    fill(place, 2 * WAITING_BY_ONE)
    for number in range(WAITING_MOST):
        name = f"senior{number}"
        place.trust.check(NodeId(name), identity(name).sign_public, proven=True, now=0.0)
        place.known.accept(about(MOST + number, name))
    assert place.out() is take
    assert place.word("home").verdict is (Verdict.IN_FORCE if take else Verdict.REJECTED)
    assert not place.known.accept(signed("home")), "it is kept"


def test_what_was_in_force_before_words_could_wait_is_in_force_still() -> None:
    place = Place("lab", "office")
    other = signed("home", node_id="other", key=identity("other").sign_public)
    ignored = {base64.b64encode(identity("other").sign_public).decode(): int(START * 1000)}
    place.state.write("revocations", {"said": [signed("home"), other], "ignored": ignored})
    place.known = place.load()
    for _ in range(2):
        assert place.out()
        assert not place.out(identity("other"))
        assert place.waiting() == []
        place.again()


def test_a_program_of_before_finds_what_is_in_force() -> None:
    place = Place("lab", "office")
    place.known.accept(signed("home"))
    place.known.accept(signed("office", node_id="x", key=identity("x").sign_public))
    place.known.flush()
    stored: Any = place.state.read("revocations")
    assert [json.loads(one["text"])["nodeId"] for one in stored["said"]] == ["x"]


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
