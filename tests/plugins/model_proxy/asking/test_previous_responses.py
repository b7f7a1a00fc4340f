"""Which target gave which response is remembered for a bounded number of them."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.asking.previous_responses import REMEMBERED, PreviousResponses


@pytest.mark.bound("clawmatrix_model_proxy.asking.previous_responses.REMEMBERED")
def test_the_oldest_response_is_forgotten_for_a_new_one() -> None:
    memory, target = PreviousResponses(), Target(NodeId("office"), "qwen3")
    for number in range(REMEMBERED + 10):
        memory.remember(f"resp-{number}", target)
    memory.remember("x" * 1000, target)
    assert len(memory) == REMEMBERED
    assert memory.find("resp-9") is None
    assert memory.find("resp-10") == target


def test_an_id_stays_with_the_node_that_gave_it_first() -> None:
    memory, office = PreviousResponses(), Target(NodeId("office"), "qwen3")
    memory.remember("resp_1", office)
    memory.remember("resp_1", Target(NodeId("mallory"), "qwen3"))
    assert memory.find("resp_1") == office
    memory.remember("resp_1", Target(NodeId("office"), "qwen3", 1))
    assert memory.find("resp_1") == Target(NodeId("office"), "qwen3", 1)
    memory.forget("resp_1")
    memory.forget("resp_1")
    assert memory.find("resp_1") is None
