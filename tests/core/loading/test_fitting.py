"""Which types go where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NewType, Protocol, TypeVar

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.loading.fitting import fits, in_words

Node_id = NodeId
T = TypeVar("T")
Other = NewType("Other", str)


class Walks(Protocol):
    def walk(self) -> None: ...


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (int, int),
        (bool, int),
        (int, float),
        (int, object),
        (int, Any),
        (Any, int),
        (int, int | None),
        (list[int], Sequence[int]),
        (list[bool], list[int]),
        (list, list[int]),
        (dict[str, int], Mapping[str, int]),
        (NodeId, str),
        (NodeId, NodeId),
        (Literal["a"], str),
        (Literal["a"], Literal["a", "b"]),
        (int, T),
        (int, Walks),
        (Callable[[int], None], Callable[[str], None]),
        (tuple[int, ...], tuple[int, ...]),
    ],
)
def test_these_go(given: Any, taken: Any) -> None:
    assert fits(given, taken)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (int, str),
        (int, bool),
        (int | None, int),
        (object, int),
        (Sequence[int], list[int]),
        (list[int], list[str]),
        (dict[str, int], Mapping[str, bytes]),
        (str, NodeId),
        (NodeId, Other),
        (NodeId, int),
        (str, Literal["a"]),
        (Literal["a", "b"], Literal["a"]),
        (Literal["a"], int),
    ],
)
def test_these_do_not(given: Any, taken: Any) -> None:
    assert not fits(given, taken)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (type(None), "None"),
        (int, "int"),
        (list[NodeId], "list[NodeId]"),
        (int | None, "int | None"),
        (Mapping[str, Walks], "Mapping[str, Walks]"),
        (NodeId, "NodeId"),
    ],
)
def test_types_in_words(kind: Any, words: str) -> None:
    assert in_words(kind) == words


def test_types_that_read_the_same_have_their_modules() -> None:
    class NodeId: ...

    assert in_words(NodeId) == "NodeId"
    assert in_words(NodeId, Node_id) == f"{__name__}.NodeId"
    assert in_words(Node_id, NodeId) == "clawmatrix_core.base.node_id.NodeId"
