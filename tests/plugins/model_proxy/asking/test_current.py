"""The catalog of now: how many models it has at most."""

from __future__ import annotations

import pytest

from clawmatrix_core import NodeId
from clawmatrix_model_proxy.asking.catalog import ServedModel
from clawmatrix_model_proxy.asking.current import CATALOG_MOST, models_that_fit

OLD, NEW, FIRST = NodeId("b-old"), NodeId("a-new"), NodeId("c-first")
SINCE = {FIRST: 1.0, OLD: 2.0, NEW: 3.0}


def seniority(name: NodeId) -> tuple[int, float, NodeId]:
    return 1, SINCE[name], name


def models(node: NodeId, count: int) -> tuple[ServedModel, ...]:
    return (ServedModel(node, "m"),) * count


@pytest.mark.bound("clawmatrix_model_proxy.asking.current.CATALOG_MOST")
def test_models_of_the_nodes_that_were_known_last_are_left_out() -> None:
    half = CATALOG_MOST // 2
    nodes = ((NEW, models(NEW, half)), (OLD, models(OLD, half)), (FIRST, models(FIRST, 1)))
    found = models_that_fit(nodes, seniority)
    assert {model.node for model in found} == {FIRST, OLD}


def test_as_many_as_the_bound_are_all_there() -> None:
    half = CATALOG_MOST // 2
    nodes = ((NEW, models(NEW, half)), (OLD, models(OLD, half)))
    assert len(models_that_fit(nodes, seniority)) == CATALOG_MOST


def test_one_node_with_too_many_leaves_room_to_those_behind_it() -> None:
    nodes = ((FIRST, models(FIRST, 1)), (OLD, models(OLD, CATALOG_MOST)), (NEW, models(NEW, 1)))
    found = models_that_fit(nodes, seniority)
    assert [model.node for model in found] == [FIRST, NEW]
