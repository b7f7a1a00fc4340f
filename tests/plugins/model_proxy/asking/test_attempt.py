"""One attempt at a target, and how long it waits for a node without a route."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core import NodeId
from clawmatrix_model_proxy.asking import attempt
from clawmatrix_model_proxy.asking.attempt import AttemptFailed, CallAttempt
from clawmatrix_model_proxy.asking.client_sender import ClientSender
from clawmatrix_model_proxy.asking.health import Target
from clawmatrix_model_proxy.asking.limits import AskLimits
from clawmatrix_model_proxy.wire import Opening

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


def attempt_of(node: Node, *, others: bool) -> CallAttempt:
    async def send(message: MutableMapping[str, Any]) -> None:
        raise AssertionError(message)

    return CallAttempt(
        node,
        Opening("chat", "m"),
        b"{}",
        ClientSender(send, node.clock.now),
        describe=lambda _: [],
        limits=AskLimits(),
        begun=lambda _: None,
        others=others,
    )


async def test_a_node_without_a_route_is_waited_for_longer_where_no_other_can_answer(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "HASTE", 0.1)
    target = Target(NodeId("gone"), "m")
    async with node_factory("home") as node:
        with anyio.fail_after(5), pytest.raises(AttemptFailed) as caught:
            await attempt_of(node, others=True).make(target, 60, 60)
        assert caught.value.fault.message == "no route to gone"
        with anyio.move_on_after(1) as scope:
            await attempt_of(node, others=False).make(target, 60, 60)
        assert scope.cancelled_caught
