"""Which nodes serve which model, and what a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.catalog import Catalog, Choice, ServedModel, read_offers
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT

if TYPE_CHECKING:
    from collections.abc import Collection

HOME, LAB, OFFICE = NodeId("home"), NodeId("lab"), NodeId("office")
SERVED = [
    ServedModel(OFFICE, "qwen3", "a fast one"),
    ServedModel(LAB, "qwen3"),
    ServedModel(LAB, "org/llama"),
    ServedModel(HOME, "tiny"),
]


def catalog(order: list[NodeId] | None = None, more: Collection[ServedModel] = ()) -> Catalog:
    """Return the catalog of three nodes, and one more that serves nothing."""
    known = {HOME, LAB, OFFICE, NodeId("idle"), *(model.node for model in more)}
    return Catalog([*SERVED, *more], known, order)


def resolve(name: str, found: Catalog | None = None, down: Collection[str] = ()) -> Choice:
    """Return what a name means while these nodes are out of reach."""
    return (found or catalog()).resolve(name, lambda node: node not in down)


def chosen(model: str, *nodes: NodeId, pinned: bool) -> Choice:
    """Return the choice of one upstream at each node."""
    return Choice(model, tuple(Target(node, model) for node in nodes), pinned=pinned)


def refusal(name: str, found: Catalog | None = None, down: Collection[str] = ()) -> ApiError:
    """Return the error that a name means."""
    with pytest.raises(ApiError) as caught:
        resolve(name, found, down)
    return caught.value


def test_a_bare_name_means_every_node_that_serves_it_by_name() -> None:
    assert resolve("qwen3") == chosen("qwen3", LAB, OFFICE, pinned=False)


def test_the_configured_order_decides_and_leaves_out_all_others() -> None:
    assert resolve("qwen3", catalog([OFFICE, LAB])).nodes == (OFFICE, LAB)
    assert resolve("qwen3", catalog([OFFICE])).nodes == (OFFICE,)


def test_nodes_out_of_reach_are_left_out() -> None:
    assert resolve("qwen3", down=["lab"]).nodes == (OFFICE,)


def test_this_nodes_own_model_counts_only_where_it_may() -> None:
    assert resolve("tiny").nodes == (HOME,)
    assert refusal("tiny", catalog([OFFICE])).status == 404


def test_a_node_before_the_slash_pins() -> None:
    assert resolve("office/qwen3") == chosen("qwen3", OFFICE, pinned=True)
    assert resolve("lab/org/llama") == chosen("org/llama", LAB, pinned=True)


def test_an_id_with_a_slash_is_split_only_at_a_node() -> None:
    assert resolve("org/llama") == chosen("org/llama", LAB, pinned=False)
    assert refusal("nobody/qwen3").status == 404


def test_each_upstream_of_a_node_is_asked_before_the_next_node() -> None:
    found = Catalog([ServedModel(LAB, "m", upstreams=2), ServedModel(OFFICE, "m")], [LAB, OFFICE])
    targets = [(target.node, target.upstream) for target in resolve("m", found).targets]
    assert targets == [(LAB, 0), (LAB, 1), (OFFICE, 0)]
    assert resolve("m", found).nodes == (LAB, OFFICE)
    assert [target.upstream for target in resolve("lab/m", found).targets] == [0, 1]


@pytest.mark.parametrize(
    ("told", "taken"),
    [(1, 1), (3, 3), (0, 1), (-1, 1), (10**9, UPSTREAM_LIMIT), (True, 1), ("2", 1)],
)
def test_the_number_of_upstreams_is_taken_as_far_as_it_makes_sense(
    told: object, taken: int
) -> None:
    [served] = read_offers(LAB, [{"id": "m", "upstreams": told}])
    assert served.upstreams == taken


def test_the_longest_node_name_wins() -> None:
    nested = ServedModel(NodeId("lab/rack"), "qwen3")
    found = catalog(more=[nested])
    assert resolve("lab/rack/qwen3", found).nodes == (NodeId("lab/rack"),)


def test_an_id_that_begins_with_a_nodes_name_is_still_found() -> None:
    found = catalog(more=[ServedModel(LAB, "office/special")])
    assert resolve("office/special", found) == chosen("office/special", LAB, pinned=False)
    assert resolve("office/qwen3", found).pinned


def test_an_unknown_model_is_404() -> None:
    error = refusal("nothing")
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "'nothing'" in str(error)


def test_a_node_that_does_not_serve_the_model_is_404_and_never_left() -> None:
    assert refusal("office/org/llama").status == 404
    assert refusal("idle/qwen3").status == 404
    assert refusal("office/").status == 404


def test_a_pinned_node_that_gets_no_prompts_is_404_with_the_reason() -> None:
    error = refusal("lab/qwen3", catalog([OFFICE]))
    assert error.status == 404
    assert "[model-proxy] nodes" in str(error)


def test_a_model_served_elsewhere_alone_says_so() -> None:
    error = refusal("org/llama", catalog([OFFICE]))
    assert error.status == 404
    assert "[model-proxy] nodes" in str(error)


def test_no_node_in_reach_is_502() -> None:
    for error in (refusal("qwen3", down=["lab", "office"]), refusal("lab/qwen3", down=["lab"])):
        assert (error.status, error.code) == (502, "node_unreachable")


def test_the_list_has_each_id_once_and_each_node_with_it() -> None:
    listed = list(catalog().list(lambda node: node != HOME))
    assert [entry.id for entry in listed] == [
        "org/llama",
        "qwen3",
        "lab/org/llama",
        "lab/qwen3",
        "office/qwen3",
    ]
    assert listed[1].nodes == (LAB, OFFICE)
    assert listed[1].description == "a fast one"
    assert listed[-1].nodes == (OFFICE,)


def test_everything_listed_can_be_asked_for() -> None:
    found = catalog([OFFICE, LAB])
    for entry in found.list(lambda _: True):
        assert resolve(entry.id, found).nodes == entry.nodes


def test_models_are_told_whether_reachable_or_not() -> None:
    assert [(id_, [m.node for m in who]) for id_, who in catalog([OFFICE, LAB]).models()] == [
        ("org/llama", [LAB]),
        ("qwen3", [OFFICE, LAB]),
    ]


def test_offers_of_a_record_are_read_and_nonsense_is_left_out() -> None:
    offers: object = [
        {"id": "good", "description": "words", "api": "openai-completions", "later": 1},
        {"id": "bare"},
        {"id": ""},
        {"id": 7},
        {"id": "x" * 201},
        {"id": "line\nbreak"},
        {},
        "text",
        None,
        {"id": "odd", "description": 7, "api": []},
    ]
    assert list(read_offers(LAB, offers)) == [
        ServedModel(LAB, "good", "words", "openai-completions"),
        ServedModel(LAB, "bare"),
        ServedModel(LAB, "odd"),
    ]


@pytest.mark.parametrize("offers", [None, {}, "text", 7])
def test_offers_that_are_no_list_are_none(offers: object) -> None:
    assert list(read_offers(LAB, offers)) == []


NAMES = st.text("ab/", min_size=1, max_size=5)


@given(st.lists(st.tuples(st.sampled_from("ab"), NAMES), max_size=6), NAMES)
def test_a_choice_always_names_nodes_that_serve_it(pairs: list[tuple[str, str]], name: str) -> None:
    served = [ServedModel(NodeId(node), model) for node, model in pairs]
    found = Catalog(served, {NodeId("a"), NodeId("b")})
    pinned = {f"{node}/{model}" for node, model in pairs}
    if name not in pinned | {model for _, model in pairs}:
        assert refusal(name, found).status == 404
        return
    choice = resolve(name, found)
    assert choice.nodes
    assert all((node, choice.model) in pairs for node in choice.nodes)
    assert name == (f"{choice.nodes[0]}/{choice.model}" if choice.pinned else choice.model)
