"""``clawmatrix trust forget --hide``: nodes that are retired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from tests.core.members.members import Member
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.invite.inviting import ask

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio


def listed(node: Node) -> list[str]:
    return [str(peer.node_id) for peer in node.directory.listed()]


async def forget(node: Node, *, hide: bool = False) -> Any:
    [call] = [one.call for one in node.control_methods() if one.name == "trust.forget"]
    assert call is not None
    return await call({"node": "lab", "hide": hide})


async def test_a_retired_node_is_hidden_until_it_is_heard_directly_again() -> None:
    state = MemoryState()
    async with make_node("home", state=state) as home:
        async with make_node("lab", peers=[address_of(home)]) as lab:
            await wait_until(lambda: "lab" in home.links)
            identity = lab.identity
            own = lab.directory.get(lab.id)
            assert own is not None
            record = own.signed
        await wait_until(lambda: "lab" not in home.links)
        assert listed(home) == ["lab"]
        assert await forget(home, hide=True) == {"nodeId": "lab"}
        assert listed(home) == []
        home.accept_record(record)  # another node still knows it
        assert listed(home) == []
        assert (await ask(home, "trust.list"))["hidden"] == ["lab"]
        assert TrustStore(state).is_hidden(NodeId("lab"))  # over a restart too
        async with make_node("lab", peers=[address_of(home)], identity=identity):
            await wait_until(lambda: "lab" in home.links)
            assert listed(home) == ["lab"]
        assert not TrustStore(state).is_hidden(NodeId("lab"))


async def test_forgetting_alone_hides_nothing() -> None:
    async with make_node("home") as home:
        signed = Member("lab").signed()
        home.accept_record(signed)
        await forget(home)
        home.accept_record(signed)
        assert listed(home) == ["lab"]


async def test_a_node_that_nobody_knows_cannot_be_hidden() -> None:
    async with make_node("home") as home:
        with pytest.raises(ExchangeFailure, match="no key is known of lab"):
            await forget(home, hide=True)
        assert home.trust.hidden() == []
