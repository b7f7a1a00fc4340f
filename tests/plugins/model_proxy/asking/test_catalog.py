"""Which nodes serve which model, and what a name means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.catalog import (
    Catalog,
    Choice,
    ListedModel,
    Names,
    ServedModel,
    read_offers,
)
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.wire import UPSTREAM_LIMIT

if TYPE_CHECKING:
    from collections.abc import Collection

HOME, LAB, OFFICE, IDLE = NodeId("home"), NodeId("lab"), NodeId("office"), NodeId("idle")
SERVED = [
    ServedModel(OFFICE, "qwen3", "a fast one"),
    ServedModel(LAB, "qwen3"),
    ServedModel(LAB, "org/llama"),
    ServedModel(HOME, "tiny"),
]


@attrs.define
class Known:
    """Names of nodes; those further to the front proved themselves earlier."""

    nodes: tuple[NodeId, ...] = (HOME, LAB, OFFICE, IDLE)
    revoked: tuple[NodeId, ...] = ()
    plain: tuple[str, ...] = ()
    kept: tuple[tuple[str, NodeId], ...] = ()

    def node_of(self, part: str) -> NodeId | None:
        """Return the node of this name, whatever its case."""
        alike = (n for n in (*self.nodes, *self.revoked) if n.lower() == part.lower())
        return None if part in self.plain else next(alike, None)

    def keeps(self, part: str, node: NodeId) -> bool:
        """Say whether the node's ids were there first."""
        return (part, node) in self.kept

    def is_revoked(self, name: NodeId) -> bool:
        """Say whether it was put out."""
        return name in self.revoked

    def seniority(self, name: NodeId) -> tuple[int, float, NodeId]:
        """Return its place."""
        return 1, self.nodes.index(name), name


def catalog(
    order: list[NodeId] | None = None,
    more: Collection[ServedModel] = (),
    names: Names | None = None,
    heard: Collection[NodeId] = (HOME, LAB, OFFICE, IDLE),
) -> Catalog:
    """Return the catalog of three nodes, and one more that serves nothing."""
    served = [model for model in (*SERVED, *more) if model.node in heard]
    return Catalog(served, heard, names or Known(), HOME, order)


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


def test_a_bare_name_means_every_node_that_serves_it_the_one_known_for_longest_first() -> None:
    assert resolve("qwen3") == chosen("qwen3", LAB, OFFICE, pinned=False)
    names = Known((HOME, OFFICE, IDLE, LAB))
    assert resolve("qwen3", catalog(names=names)) == chosen("qwen3", OFFICE, LAB, pinned=False)


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
    found = catalog(more=[ServedModel(LAB, "m", upstreams=2), ServedModel(OFFICE, "m")])
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


@pytest.mark.parametrize(
    ("apis", "told"),
    [
        (["a", "b"], ["a", "b"]),
        (None, ["x", "x"]),
        (["a"], ["x", "x"]),
        (["a", "b", "c"], ["x", "x"]),
        (["a", 5], ["a", ""]),
        ("ab", ["x", "x"]),
    ],
)
def test_what_each_upstream_speaks_is_taken_where_it_is_said_of_all(
    apis: object, told: list[str]
) -> None:
    [served] = read_offers(LAB, [{"id": "m", "api": "x", "upstreams": 2, "apis": apis}])
    assert [target.api for target in served.targets] == told


def test_an_id_of_another_that_begins_with_a_nodes_name_is_neither_listed_nor_asked() -> None:
    shadow = ["office/special", "office/qwen3", "OFFICE/qwen3", "home/tiny", "office//x"]
    found = catalog(more=[ServedModel(LAB, id_) for id_ in shadow])
    assert refusal("office/special", found).status == 404
    assert resolve("office/qwen3", found) == chosen("qwen3", OFFICE, pinned=True)
    for id_ in shadow:
        assert refusal(f"lab/{id_}", found).status == 404
    assert found.left_out == {LAB: shadow}
    assert [one.id for one in found.list(lambda _: True)] == [
        one.id for one in catalog().list(lambda _: True)
    ]


def test_an_id_that_begins_with_its_own_nodes_name_is_that_nodes() -> None:
    found = catalog(more=[ServedModel(OFFICE, "office/special")])
    assert resolve("office/special", found) == chosen("office/special", OFFICE, pinned=True)
    assert resolve("office/office/special", found).nodes == (OFFICE,)
    assert "office/office/special" in [one.id for one in found.list(lambda _: True)]
    assert found.left_out == {}


def test_an_own_id_that_begins_with_another_nodes_name_is_asked_for_by_the_own_name() -> None:
    found = catalog(more=[ServedModel(HOME, "office/special")])
    assert refusal("office/special", found).status == 404
    assert resolve("home/office/special", found) == chosen("office/special", HOME, pinned=True)
    listed = [one.id for one in found.list(lambda _: True)]
    assert "office/special" not in listed
    assert "home/office/special" in listed
    assert [id_ for id_, _ in found.models() if "special" in id_] == ["home/office/special"]


def test_an_own_id_that_was_there_first_is_kept_and_every_other_is_the_nodes() -> None:
    names = Known(kept=(("office", HOME),))
    more = [ServedModel(node, "office/qwen3") for node in (HOME, LAB)]
    found = catalog(more=[*more, ServedModel(OFFICE, "else")], names=names)
    assert resolve("office/qwen3", found) == chosen("office/qwen3", HOME, pinned=False)
    assert resolve("home/office/qwen3", found).nodes == (HOME,)
    assert resolve("office/else", found) == chosen("else", OFFICE, pinned=True)
    assert refusal("office/tiny", found).status == 404
    assert found.left_out == {LAB: ["office/qwen3"]}
    listed = [(one.id, one.nodes) for one in found.list(lambda _: True) if "office/q" in one.id]
    assert listed == [("office/qwen3", (HOME,)), ("home/office/qwen3", (HOME,))]


def test_a_name_in_another_case_leads_nowhere_and_says_why() -> None:
    error = refusal("Office/qwen3")
    assert (error.status, error.code) == (404, "model_not_found")
    assert "'office'" in str(error)


def test_a_node_that_was_not_heard_lately_is_502() -> None:
    away = catalog(heard=[HOME, LAB])
    assert (refusal("office/qwen3", away).status) == 502
    assert refusal("office/no-such", away).code == "node_unreachable"


def test_a_revoked_node_is_404() -> None:
    names = Known((HOME, LAB, IDLE), revoked=(OFFICE,))
    shadow = ServedModel(LAB, "office/qwen3")
    error = refusal("office/qwen3", catalog(more=[shadow], names=names, heard=[HOME, LAB]))
    assert (error.status, error.code) == (404, "model_not_found")
    assert "revoked" in str(error)


def test_a_publisher_that_a_node_is_called_after_leads_to_all_who_serve_the_id() -> None:
    names = Known(plain=("office",))
    found = catalog(more=[ServedModel(LAB, "office/qwen3")], names=names)
    assert resolve("office/qwen3", found) == chosen("office/qwen3", LAB, pinned=False)
    assert [one.nodes for one in found.list(lambda _: True) if one.id == "office/qwen3"] == [(LAB,)]


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


@pytest.mark.parametrize("down", [(), (LAB,), (OFFICE, HOME)])
def test_what_is_said_of_one_name_is_what_the_list_says(down: Collection[NodeId]) -> None:
    found = catalog(more=[ServedModel(OFFICE, "office/special", "a rare one")])
    for entry in found.list(lambda node: node not in down):
        assert found.entry(entry.id, lambda node: node not in down) == entry


def test_a_name_that_is_not_in_the_list_but_leads_to_a_node_is_told_of_as_well() -> None:
    found = catalog(more=[ServedModel(OFFICE, "office/special", "a rare one")])
    told = found.entry("office/special", lambda _: True)
    assert told == ListedModel("office/special", (OFFICE,), "a rare one")


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
        {"id": "/office/qwen3"},
        {"id": " office/qwen3"},
        {"id": "office/"},
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
    a, b = NodeId("a"), NodeId("b")
    served = [ServedModel(NodeId(node), model) for node, model in pairs]
    found = Catalog(served, {a, b}, Known((a, b)), NodeId("home"))
    part, slash, rest = name.partition("/")
    if slash and part in ("a", "b"):
        right = {(part, rest), (part, name)} & set(pairs)
    else:
        right = {pair for pair in pairs if pair[1] == name}
    if not right:
        assert refusal(name, found).status == 404
        return
    choice = resolve(name, found)
    assert choice.nodes
    assert {(node, choice.model) for node in choice.nodes} <= right
    assert choice.pinned is (part in ("a", "b") and bool(slash))
