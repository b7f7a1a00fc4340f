"""Records: their form, and what is no record."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.record import (
    LINKS_LIMIT,
    OFFER_LIMIT,
    RECORD_LIMIT,
    SignedRecord,
    check_offer,
)
from tests.core.members.members import Member, base64_of

TEXTS = st.text(max_size=8)


def reason_of(signed: SignedRecord) -> str:
    """Return why home refuses a record."""
    home = Member("home")
    with pytest.raises(RemoteProtocolError) as caught:
        home.directory.accept(signed)
    assert home.directory.get(NodeId("office")) is None
    return caught.value.reason


def test_names_on_the_wire_are_camel_case() -> None:
    member = Member("office")
    signed = member.signed(links={"home": 1.5}, tags=("gpu",), offers={"models": [{"id": "m"}]})
    assert json.loads(signed.text) == {
        "nodeId": "office",
        "signKey": base64_of(member.identity.sign_public),
        "channelKey": base64_of(member.identity.channel_public),
        "epoch": 1,
        "seq": 1,
        "instance": "office1",
        "protocol": [1, 1],
        "version": "",
        "features": ["session_keys"],
        "addresses": [],
        "links": {"home": 1.5},
        "tags": ["gpu"],
        "offers": {"models": [{"id": "m"}]},
        "transit": True,
        "succession": [],
        "revokers": [],
    }
    assert signed.to_wire() == {"record": signed.text, "sig": signed.signature}


@given(
    st.builds(
        dict,
        version=TEXTS,
        features=st.tuples(TEXTS),
        addresses=st.lists(TEXTS, max_size=3).map(tuple),
        links=st.dictionaries(TEXTS, st.floats(0, 1e6), max_size=3),
        tags=st.lists(TEXTS, max_size=3).map(tuple),
        offers=st.dictionaries(
            TEXTS, st.lists(st.dictionaries(TEXTS, st.integers(-99, 99) | TEXTS), max_size=2)
        ),
        epoch=st.integers(0, 2**53 - 1),
        protocol=st.tuples(st.integers(0, 9), st.integers(0, 9)),
        transit=st.booleans(),
    )
)
def test_a_record_reads_as_it_was_written(fields: dict[str, Any]) -> None:
    member = Member("office")
    signed = member.signed(**fields)
    again = SignedRecord.from_wire(msgspec.json.decode(msgspec.json.encode(signed.to_wire())))
    assert again == signed
    assert again.read() == member.record(**fields)
    assert again.is_signed_by(member.identity.sign_public)


DEEP: Any = []
for _ in range(20):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "changes",
    [
        {"nodeId": ""},
        {"nodeId": ".."},
        {"nodeId": "a b"},
        {"nodeId": "n" * 65},
        {"nodeId": "off\nice"},
        {"nodeId": 7},
        {"nodeId": None},
        {"epoch": -1},
        {"epoch": 2**53},
        {"epoch": 10**4000},
        {"epoch": 1.0},
        {"epoch": "1"},
        {"epoch": True},
        {"seq": -1},
        {"seq": 2**53},
        {"seq": None},
        {"instance": ""},
        {"instance": "i" * 65},
        {"instance": "a b"},
        {"instance": "ä"},
        {"instance": 5},
        {"protocol": []},
        {"protocol": [1]},
        {"protocol": [1, 1, 1]},
        {"protocol": [-1, 1]},
        {"protocol": ["1", "1"]},
        {"protocol": 1},
        {"version": 1},
        {"features": "abc"},
        {"features": [1]},
        {"addresses": [None]},
        {"links": []},
        {"links": {"home": -1}},
        {"links": {"home": 1e9}},
        {"links": {"home": "1"}},
        {"links": {"home": True}},
        {"links": {"home": None}},
        {"tags": [{}]},
        {"offers": []},
        {"offers": {"models": {}}},
        {"offers": {"models": ["m"]}},
        {"offers": {"models": [{"id": DEEP}]}},
        {"offers": {"models": [{"id": 2**53}]}},
        {"signKey": ""},
        {"signKey": "?"},
        {"signKey": base64_of(bytes(31))},
        {"signKey": 7},
        {"channelKey": base64_of(bytes(33))},
        {"channelKey": "ü"},
    ],
    ids=lambda changes: json.dumps(changes)[:40],
)
def test_a_record_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    office = Member("office")
    assert reason_of(office.claim(**changes)) == "bad_record"


@pytest.mark.parametrize("text", ["features", "addresses", "tags"])
def test_a_text_is_no_list_of_texts(text: str) -> None:
    office = Member("office")
    assert reason_of(office.claim(**{text: "gpu"})) == "bad_record"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        "[" * 5000 + "]" * 5000,
        '{"nodeId":NaN}',
        '{"epoch":1e999}',
    ],
    ids=range(9),
)
def test_a_text_that_is_no_record_is_refused(text: str) -> None:
    office = Member("office")
    assert reason_of(office.sign_text(text)) == "bad_record"


@pytest.mark.parametrize("missing", ["nodeId", "signKey", "channelKey", "epoch", "seq", "instance"])
def test_a_record_that_lacks_something_is_refused(missing: str) -> None:
    office = Member("office")
    fields = json.loads(office.signed().text)
    del fields[missing]
    assert reason_of(office.sign_text(json.dumps(fields))) == "bad_record"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {},
        {"record": "{}"},
        {"sig": ""},
        {"record": 1, "sig": ""},
        {"record": "", "sig": None},
        {"record": "x" * (RECORD_LIMIT + 1), "sig": ""},
        {"record": "ü" * (RECORD_LIMIT // 2 + 1), "sig": ""},
    ],
    ids=range(10),
)
def test_what_is_no_signed_record_is_refused(value: Any) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        SignedRecord.from_wire(value)
    assert caught.value.reason == "bad_record"


def test_a_record_may_have_64_kib() -> None:
    value = {"record": "x" * RECORD_LIMIT, "sig": ""}
    assert SignedRecord.from_wire(value).text == "x" * RECORD_LIMIT


@pytest.mark.bound("clawmatrix_core.members.record.RECORD_LIMIT")
def test_ten_thousand_links_are_too_many_for_the_wire() -> None:
    office = Member("office")
    signed = office.signed(links={f"node-{number}": 1.0 for number in range(10_000)})
    with pytest.raises(RemoteProtocolError, match="more than 65536 bytes"):
        SignedRecord.from_wire(signed.to_wire())


def test_an_offer_has_to_fit_into_a_record() -> None:
    check_offer([])
    check_offer([{"id": "m", "context": 131_072, "price": 0.5, "modes": ["text", None, True]}])
    check_offer([{"id": "x" * (OFFER_LIMIT - 11)}])
    with pytest.raises(ValueError, match="at most 24576"):
        check_offer([{"id": "x" * (OFFER_LIMIT - 10)}])
    for value in (DEEP, 2**53, -(2**53)):
        with pytest.raises(ValueError, match="levels"):
            check_offer([{"id": value}])
    with pytest.raises(TypeError):
        check_offer([{"id": object()}])


def spokes(count: int, width: int = 0) -> dict[NodeId, float]:
    return {NodeId(f"{n:0{width}}"): 123.45 for n in range(count)}


@pytest.mark.bound("clawmatrix_core.members.record.LINKS_LIMIT")
def test_a_record_lists_a_bounded_number_of_links() -> None:
    office = Member("office")
    assert len(office.signed(links=spokes(LINKS_LIMIT)).read().links) == LINKS_LIMIT
    assert reason_of(office.signed(links=spokes(LINKS_LIMIT + 1))) == "too_many_links"


@pytest.mark.parametrize("width", [1, 12, 20, 64])
def test_a_hub_lists_the_links_that_fit_the_first_ones_first(width: int) -> None:
    office = Member("office")
    links = spokes(3000, width)
    fitting = office.record().fitting_links(links)
    assert list(fitting) == list(links)[: len(fitting)]
    assert len(office.signed(links=fitting).text) <= RECORD_LIMIT
    one_more = dict(list(links.items())[: len(fitting) + 1])
    too_long = len(office.signed(links=one_more).text) > RECORD_LIMIT
    assert too_long or len(fitting) == LINKS_LIMIT
    if width <= 20:
        assert len(fitting) >= 2000


def test_links_have_the_room_that_all_else_leaves() -> None:
    office = Member("office")
    offers = {kind: [{"id": "x" * (OFFER_LIMIT - 100)}] for kind in ("models", "agents")}
    fitting = office.record(offers=offers).fitting_links(spokes(2000, 30))
    assert 300 < len(fitting) < 500
    assert len(office.signed(offers=offers, links=fitting).text) <= RECORD_LIMIT
    assert office.record(tags=("x" * RECORD_LIMIT,)).fitting_links(spokes(1)) == {}


def test_what_the_key_of_a_record_has_signed() -> None:
    member = Member("office")
    record, signature = member.signed().read(), member.identity.sign(b"said")
    assert record.has_signed(b"said", signature)
    assert not record.has_signed(b"not said", signature)
    assert not record.has_signed(b"said", b"")
