"""An invitation that was made for a name: it binds the key that used it to that name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import ExchangeFailure, HandshakeError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import fingerprint
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_mesh.invite.token import Token
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.invite.inviting import Guest, ask

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.members.pins import Known

pytestmark = pytest.mark.anyio

HOME = NodeId("home")


async def invite_for(node: Node, name: str | None) -> Token:
    made = await ask(node, "invite.add", expires=60.0, name=name)
    assert made["name"] == name
    return Token.decode(made["token"])


def known(node: Node, guest: Guest) -> Known:
    return node.trust.how_known(NodeId(guest.name), guest.identity.key_text)


async def refusal(token: Token, guest: Guest) -> str:
    with pytest.raises(HandshakeError) as caught:
        await guest.join(token)
    return caught.value.reason


async def test_a_token_made_for_a_name_binds_the_key_that_used_it() -> None:
    home = Guest("home")
    async with make_node("node") as node:
        await home.join(await invite_for(node, "home"))
        assert known(node, home) == "invited"
        async with make_node("home", identity=home.identity, peers=[address_of(node)]):
            await wait_until(lambda: HOME in node.links)
        assert known(node, home) == "invited"


async def test_a_token_without_a_name_proves_no_name() -> None:
    guest = Guest("home")  # a guest that calls itself so
    async with make_node("node") as node:
        await guest.join(await invite_for(node, None))
        assert known(node, guest) == "linked"


async def test_a_token_for_another_name_lets_nobody_in_and_is_not_used_up() -> None:
    guest, home = Guest("guest"), Guest("home")
    async with make_node("node") as node:
        token = await invite_for(node, "home")
        assert await refusal(token, guest) == "invite_name"
        assert node.trust.get(NodeId("guest")) is None
        [one] = await ask(node, "invite.list")
        assert (one["name"], one["status"], one["usedBy"]) == ("home", "open", None)
        await home.join(token)
        assert known(node, home) == "invited"
        await wait_until(lambda: node.counters == {"invite_name": 1})


async def test_a_token_takes_no_name_from_a_key_that_linked_or_was_accepted() -> None:
    squatter, home = Guest("home"), Guest("home")
    async with make_node("node") as node:
        await squatter.join(await invite_for(node, None))
        token = await invite_for(node, "home")
        assert await refusal(token, home) == "key_refused"
        assert (known(node, squatter), known(node, home)) == ("linked", "hearsay")
        shown = fingerprint(home.identity.sign_public)
        await call_control(node, "trust.accept", {"node": "home", "fingerprint": shown})
        await home.join(token)
        assert (known(node, squatter), known(node, home)) == ("hearsay", "accepted")


@pytest.mark.parametrize("name", ["no name", "", 7, "node"])
async def test_an_invitation_is_made_for_the_name_of_another_node(name: object) -> None:
    async with make_node("node") as node:
        with pytest.raises(ExchangeFailure, match="name: ") as caught:
            await ask(node, "invite.add", expires=60.0, name=name)
        assert caught.value.code == "bad_params"
        assert await ask(node, "invite.list") == []
