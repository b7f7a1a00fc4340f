"""Pings, their parameters, and the names in their errors."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_control.ping import read_request, unknown_node
from clawmatrix_core.base.errors import ExchangeFailure


def test_parameters_have_defaults() -> None:
    request = read_request({"node": "lab"})
    assert (request.node, request.count, request.timeout, request.interval) == ("lab", 4, 5, 1)


def test_parameters_are_taken() -> None:
    request = read_request({"node": "lab", "count": 2, "timeout": 0.5, "interval": 0})
    assert (request.node, request.count, request.timeout, request.interval) == ("lab", 2, 0.5, 0)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"node": 3},
        {"node": "a", "count": 0},
        {"node": "a", "count": True},
        {"node": "a", "count": "3"},
        {"node": "a", "timeout": 0},
        {"node": "a", "timeout": float("nan")},
        {"node": "a", "interval": -1},
    ],
)
def test_wrong_parameters_are_named(params: dict[str, Any]) -> None:
    with pytest.raises(
        ExchangeFailure, match=r"^(node|count|timeout|interval): expected"
    ) as caught:
        read_request(params)
    assert caught.value.code == "bad_params"


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("hoem", ["home", "lab"], "no node is named hoem; did you mean home?"),
        ("zzz", ["home", "lab"], "no node is named zzz; known are home, lab"),
        ("zzz", [], "no node is named zzz; no other node is known yet"),
        (
            "zzz",
            [f"n{i:02}" for i in range(12)],
            "no node is named zzz; known are n00, n01, n02, n03, n04, n05, n06, n07, n08, n09, …",
        ),
    ],
)
def test_an_unknown_node_is_told_with_names(name: str, known: list[str], message: str) -> None:
    error = unknown_node(name, known)
    assert (error.code, str(error)) == ("unknown_node", message)
