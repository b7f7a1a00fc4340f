"""What is exactly one call."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core import LOCAL, NodeId
from clawmatrix_grants.approvals.call import ARGUMENTS, DEPTH, Call, canonical
from tests.plugins.grants.approvals.helpers import KEY, OTHER_KEY, call_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=3),
    max_leaves=8,
).filter(lambda value: "inf" not in repr(value))
ARGUMENT_SETS = st.none() | st.dictionaries(st.text(), VALUES, max_size=3)

OTHER_FIELDS: dict[str, Any] = {
    "peer": NodeId("laptop"),
    "key": OTHER_KEY,
    "action": "agent",
    "target": "exe",
    "arguments": '{"argv":["make","tests"]}',
    "policy": "p2",
    "rule": "grants: grants.home.rules[1]",
}


def same(one: JSON, other: JSON) -> bool:
    """Compare JSON as a program that is careful would: types too, and the sign of zero."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


@given(ARGUMENT_SETS, ARGUMENT_SETS)
def test_equal_arguments_and_no_others_have_one_text(
    one: Mapping[str, JSON] | None, other: Mapping[str, JSON] | None
) -> None:
    assert (canonical(one) == canonical(other)) == same(one, other)
    assert same(call_of(one or {}).read_arguments(), one or {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n": 1}, {"n": 1.0}),
        ({"n": 1}, {"n": True}),
        ({"n": 0.0}, {"n": -0.0}),
        ({"n": None}, {}),
        ({"n": ""}, {"n": None}),
        ({"n": "1"}, {"n": 1}),
        ({"n": [1, 2]}, {"n": [2, 1]}),
        ({"n": "\udc80"}, {"n": "\\udc80"}),
        ({"é": 1}, {"e\u0301": 1}),
        ({}, None),
    ],
)
def test_what_looks_alike_differs(one: JSON, other: JSON) -> None:
    assert canonical(one) != canonical(other)


def test_the_order_of_keys_does_not_count() -> None:
    assert canonical({"a": 1, "b": {"c": 2, "d": 3}}) == canonical({"b": {"d": 3, "c": 2}, "a": 1})


class _Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": math.nan}, "not JSON compliant"),
        ({"n": -math.inf}, "not JSON compliant"),
        ({"n": b"bytes"}, "a bytes, which is not JSON"),
        ({"n": (1, 2)}, "a tuple"),
        ({"n": _Number.ONE}, "a _Number"),
        ({1: "n"}, "a key that is no text"),
        ({"n": {None: 1}}, "a key that is no text"),
        (["argv"], "no object"),
        ({"n": 10**5000}, "integer string conversion"),
    ],
)
def test_what_is_not_json_is_refused(arguments: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call_of(arguments)


def test_deep_arguments_are_refused() -> None:
    value: JSON = 1
    for _ in range(DEPTH - 1):
        value = [value]
    assert call_of({"n": value}).read_arguments() == {"n": value}
    with pytest.raises(ValueError, match="deeper than 64"):
        call_of({"n": [[value]]})


@pytest.mark.bound("clawmatrix_grants.approvals.call.ARGUMENTS")
def test_arguments_that_nobody_would_read_are_refused() -> None:
    room = ARGUMENTS - len('{"text":""}')
    assert len(call_of({"text": "x" * room}).arguments) == ARGUMENTS
    with pytest.raises(ValueError, match="over 256 KiB, too much to approve"):
        call_of({"text": "x" * (room + 1)})


@pytest.mark.parametrize("field", OTHER_FIELDS)
def test_each_field_is_in_the_digest(field: str) -> None:
    call = call_of()
    assert {*OTHER_FIELDS} == {one.name for one in attrs.fields(Call) if one.init}
    other = attrs.evolve(call, **{field: OTHER_FIELDS[field]})
    assert other.digest != call.digest
    assert attrs.evolve(other, **{field: getattr(call, field)}).digest == call.digest


def test_fields_cannot_be_shifted_into_each_other() -> None:
    one = attrs.evolve(call_of(), target="ab", policy="c")
    assert attrs.evolve(one, target="a", policy="bc").digest != one.digest
    assert attrs.evolve(one, target="abc", policy="").digest != one.digest


def test_a_client_of_this_node_has_no_key() -> None:
    own = call_of(peer=LOCAL, key=None)
    assert own.digest not in (call_of(peer=LOCAL, key=KEY).digest, call_of().digest)
