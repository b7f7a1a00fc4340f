"""A node's key changed, over real sockets."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import digits
from clawmatrix_core.members.succession import rotate
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.mesh.conftest import address_of
from tests.plugins.mesh.members.test_revoking import ask, make
from tests.plugins.mesh.wire import Member, port_of

pytestmark = pytest.mark.anyio

HOME = NodeId("home")


async def test_others_go_along_with_a_new_key_and_refuse_the_old_one() -> None:
    state = MemoryState()
    async with make("hub") as hub, make("lab", peers=[address_of(hub)]) as lab:
        async with make("home", state, peers=[address_of(hub)]) as home:
            await wait_until(lambda: home.reachable(lab.id) and lab.reachable(HOME))
        old, new = rotate(state, "home", 1)
        async with make("home", state, peers=[address_of(hub)]) as home:
            assert home.identity == new
            await wait_until(lambda: home.reachable(lab.id) and lab.reachable(HOME))
            async with lab.exchange("home", "ping", {"n": 1}, complete=True) as ex:
                assert await ex.receive() == {"n": 1}
            for node in (hub, lab):
                entry = node.trust.get(HOME)
                assert entry is not None
                assert entry.sign_public == new.sign_public
                assert entry.conflicts == ()
                [told] = [
                    e for e in (await ask(node, "trust.list"))["nodes"] if e["nodeId"] == HOME
                ]
                assert told["digits"] == digits(home.identity.sign_public)
        async with await Member.shake(port_of(address_of(hub)), "home", identity=old) as thief:
            await thief.send_hello(epoch=99)
            assert (await thief.wire.closed()).code == 4006


async def test_a_node_that_was_away_goes_along_when_it_is_back() -> None:
    state, labs = MemoryState(), MemoryState()
    async with make("hub") as hub:
        async with (
            make("home", state, peers=[address_of(hub)]),
            make("lab", labs, peers=[address_of(hub)]) as lab,
        ):
            await wait_until(lambda: lab.trust.get(HOME) is not None)
        for at in (1, 2):
            _, new = rotate(state, "home", at)
        async with (
            make("lab", labs, peers=[address_of(hub)]) as lab,
            make("home", state, peers=[address_of(hub)]),
        ):
            await wait_until(lambda: lab.reachable(HOME))
            await wait_until(lambda: lab.trust.keys(HOME)[0] == new.sign_public)
