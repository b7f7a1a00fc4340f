"""Joining by invitation, over real sockets: who gets the secret, and who never does."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.base.errors import DialError, ExchangeFailure, HandshakeError, StartError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.config.config import Config, Secret
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.named_keys import NamedKeys
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, free_port, wait_until
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.invite.invitations import INVITATIONS
from clawmatrix_mesh.invite.inviting import BURST
from clawmatrix_mesh.invite.joining import Welcomed
from clawmatrix_mesh.invite.methods import dialable, whole_address
from clawmatrix_mesh.plugin import MeshPlugin
from clawmatrix_mesh.websocket.tls import client_tls
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.plugins.mesh.conftest import LIMITS, address_of, make_node
from tests.plugins.mesh.invite.inviting import Guest, Tap, ask, invite
from tests.plugins.mesh.invite.test_invitations import FullDisk
from tests.plugins.mesh.websocket.test_tls import Files

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_mesh.invite.token import Token

pytestmark = pytest.mark.anyio


@attrs.define
class Wall:
    now: float = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now


async def refusal(token: Token, guest: Guest | None = None) -> str:
    with pytest.raises(HandshakeError) as caught:
        await (guest or Guest()).join(token)
    return caught.value.reason


async def statuses(node: Node) -> list[str]:
    return [one["status"] for one in await ask(node, "invite.list")]


# --- those who are invited


async def test_whoever_has_the_token_gets_the_secret_and_can_link() -> None:
    guest = Guest()
    async with make_node("node") as node:
        welcomed = await guest.join(await invite(node))
        assert welcomed == Welcomed(SECRET, node.identity.sign_public)
        pin = node.trust.get(NodeId("guest"))
        assert pin is not None
        assert pin.sign_public == guest.identity.sign_public
        assert "guest" not in node.links, "it is no member before it runs"
        address = address_of(node)
        async with make_node("guest", identity=guest.identity, peers=[address]):
            await wait_until(lambda: "guest" in node.links)
        [told] = await ask(node, "invite.list")
        assert (told["status"], told["usedBy"]) == ("used", "guest")
        assert not node.counters


async def test_joining_works_over_wss(tmp_path: Path) -> None:
    files = Files(tmp_path)
    tls = client_tls(MeshConfig(ca=files.ca))
    async with make_node("node", **files.server()) as node:
        token = await invite(node)
        assert token.addresses[0].startswith("wss://")
        with pytest.raises(DialError, match="not trusted"):
            await Guest().join(token)
        welcomed = await Guest().join(token, WebSocketTransport(client_tls=tls))
        assert welcomed.secret == SECRET


async def test_the_secret_is_the_one_that_the_node_begins_with() -> None:
    newer = "a secret that has taken the place of the first one"
    async with make_node("node") as node:
        told = {"node_id": "node", "secret": newer, "previous_secrets": [SECRET]}
        config = Config.from_mapping(told)
        node.keyring.put(config.secret, config.previous_secrets)
        assert (await Guest().join(await invite(node))).secret == newer


async def test_addresses_are_tried_one_after_the_other() -> None:
    async with make_node("node") as node, make_node("other") as other:
        dead = f"ws://127.0.0.1:{free_port()}"
        addresses = [dead, address_of(other), address_of(node)]
        welcomed = await Guest().join(await invite(node, addresses=addresses))
        assert welcomed.sign_public == node.identity.sign_public
        with pytest.raises(DialError, match="refused"):
            await Guest().join(await invite(node, addresses=[dead]))


async def test_a_token_says_where_the_node_listens_or_what_it_advertises() -> None:
    async with make_node("node") as node:
        assert (await invite(node)).addresses == (address_of(node),)
    advertised = ["wss://relay.example:443/clawmatrix", "memory://not-for-strangers"]
    async with make_node("node", advertise=advertised) as node:
        assert (await invite(node)).addresses == ("wss://relay.example:443/clawmatrix",)
    async with make_node("node", listen=None) as node:
        with pytest.raises(ExchangeFailure, match="listens at no ws:// or wss:// address"):
            await invite(node)
        assert (await invite(node, addresses=["ws://a:1"])).addresses == ("ws://a:1",)


def test_an_address_that_nobody_can_join_by_is_refused_at_its_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for address in ("unix:///run/a.sock", "smoke/x"):
        assert execute(["invite", "--address", address]) == 2
        error = capsys.readouterr().err
        assert "'--address'" in error, error
        assert f'"{address}" is not an address like wss://host:port' in error, error


def test_a_node_that_listens_everywhere_is_dialled_by_its_hosts_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "box")
    assert dialable((), ["ws://0.0.0.0:1", "wss://[::]:2"]) == ["ws://box:1", "wss://box:2"]
    assert dialable((), ["ws://[::1]:3", "tcp://x:1"]) == ["ws://[::1]:3"]
    seen = [f"ws://192.0.2.{n}:1" for n in range(20)]
    both = dialable((), ["ws://0.0.0.0:1", "ws://[::]:1"], seen)
    assert (both[:7], both[7:]) == (seen[:7], ["ws://box:1"])
    assert dialable(["wss://relay.example:9"], ["ws://[::]:1"], seen) == ["wss://relay.example:9"]


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("relay.example", "ws://relay.example:19000"),
        ("relay.example:8443", "ws://relay.example:8443"),
        ("192.0.2.7", "ws://192.0.2.7:19000"),
        ("2001:db8::7", "ws://[2001:db8::7]:19000"),
        ("[2001:db8::7]", "ws://[2001:db8::7]:19000"),
        ("[2001:db8::7]:1", "ws://[2001:db8::7]:1"),
        ("wss://relay.example", "wss://relay.example"),
        ("relay/x", "relay/x"),
        ("", ""),
    ],
)
def test_invite_with_a_bare_hostname_gets_scheme_and_port_of_the_node(
    given: str, whole: str
) -> None:
    assert whole_address(given, "ws", 19000) == whole


async def test_a_token_for_a_bare_hostname_leads_to_the_node() -> None:
    async with make_node("node") as node:
        token = await invite(node, addresses=["127.0.0.1"])
        assert token.addresses == (address_of(node),)
        assert (await Guest().join(token)).secret == SECRET
        with pytest.raises(ExchangeFailure, match="not an address"):
            await invite(node, addresses=["user:word@relay.example"])


@pytest.mark.parametrize(
    "params",
    [
        {"expires": 0.5},
        {"expires": 8 * 24 * 3600},
        {"expires": "1h"},
        {},
        {"expires": 60, "addresses": "ws://a:1"},
        {"expires": 60, "addresses": [1]},
        {"expires": 60, "addresses": ["http://a"]},
        {"expires": 60, "addresses": ["ws://a:1"] * 9},
        {"expires": 60, "addresses": ["ws://" + "a" * 255]},
    ],
)
async def test_an_invitation_that_makes_no_sense_is_not_made(params: dict[str, Any]) -> None:
    async with make_node("node") as node:
        with pytest.raises(ExchangeFailure) as caught:
            await ask(node, "invite.add", **params)
        assert caught.value.code == "bad_params"
        assert await statuses(node) == []


# --- those who are not


async def test_a_token_is_good_once() -> None:
    async with make_node("node") as node:
        token = await invite(node)
        await Guest().join(token)
        assert await refusal(token, Guest("another")) == "invite_used"
        assert node.trust.get(NodeId("another")) is None
        await wait_until(lambda: node.counters == {"invite_used": 1})


async def test_a_token_is_good_for_its_time() -> None:
    wall = Wall()
    async with make_node("node", clock=Clock(wall=wall)) as node:
        token = await invite(node, expires=60)
        wall.now += 60
        assert await refusal(token) == "invite_expired"
        assert await statuses(node) == ["expired"]


async def test_a_token_that_was_revoked_is_unknown() -> None:
    async with make_node("node") as node:
        token = await invite(node)
        await ask(node, "invite.revoke", id=token.id.hex())
        assert await refusal(token) == "invite_unknown"
        with pytest.raises(ExchangeFailure, match="no invitation"):
            await ask(node, "invite.revoke", id=token.id.hex())


async def test_what_became_of_a_token_outlives_a_restart() -> None:
    state, listen = MemoryState(), f"127.0.0.1:{free_port()}"
    async with make_node("node", state=state, listen=listen) as node:
        used, open_ = await invite(node), await invite(node)
        await Guest().join(used)
    async with make_node("node", state=state, listen=listen) as node:
        assert await refusal(used) == "invite_used"
        assert (await Guest("second").join(open_)).secret == SECRET


async def test_of_two_that_race_with_one_token_one_gets_in() -> None:
    outcomes: list[str] = []

    async def race(token: Token, name: str) -> None:
        try:
            await Guest(name).join(token)
        except HandshakeError as error:
            outcomes.append(error.reason)
        else:
            outcomes.append("in")

    async with make_node("node") as node:
        token = await invite(node)
        async with anyio.create_task_group() as tasks:
            for name in ("one", "two", "three", "four"):
                tasks.start_soon(race, token, name)
        assert sorted(outcomes) == ["in", "invite_used", "invite_used", "invite_used"]


async def test_a_name_that_is_anothers_costs_no_invitation() -> None:
    first = Guest()
    async with make_node("node") as node:
        await first.join(await invite(node))
        token = await invite(node)
        assert await refusal(token, Guest()) == "key_refused"
        assert await refusal(token, Guest("node")) == "key_refused"
        assert (await Guest("second").join(token)).secret == SECRET
        assert (await first.join(await invite(node))).secret == SECRET, "the same one, again"


async def test_another_node_at_the_address_learns_nothing() -> None:
    async with make_node("node") as node, make_node("other") as other:
        token = await invite(node, addresses=[address_of(other)])
        # The other one has even stolen all that the node keeps of its invitations.
        stolen = MemoryState()
        stolen.write(INVITATIONS, node.state.read(INVITATIONS))
        async with make_node("node", state=stolen) as thief:
            token = attrs.evolve(token, addresses=(address_of(thief),))
            tap = Tap()
            guest = Guest()
            with pytest.raises(HandshakeError, match="another node is at") as caught:
                await guest.join(token, tap)
            assert caught.value.reason == "wrong_node"
            assert len(tap.seen) == 2, "not the third message, by which it could be known"
            assert thief.trust.get(NodeId("guest")) is None
        assert await statuses(node) == ["open"]


async def test_a_node_that_knows_no_invitations_gets_none() -> None:
    async with make_node("node") as node, make_node("other") as other:
        token = await invite(node, addresses=[address_of(other)])
        assert await refusal(token) == "invite_unknown"


async def test_whoever_listens_on_the_way_reads_no_secret() -> None:
    tap = Tap()
    async with make_node("node") as node:
        token = await invite(node)
        await Guest().join(token, tap)
    assert len(tap.seen) == 6
    for hidden in (SECRET.encode(), token.secret, token.psk):
        for form in (hidden, base64.b64encode(hidden), hidden.hex().encode()):
            assert not any(form in message for message in tap.seen)


@pytest.mark.parametrize("place", range(6))
async def test_whoever_alters_a_byte_on_the_way_ends_it(place: int) -> None:
    def alter(at: int, message: bytes) -> bytes:
        return message[:-1] + bytes([message[-1] ^ 1]) if at == place else message

    async with make_node("node") as node:
        token = await invite(node)
        with pytest.raises(HandshakeError):
            await Guest().join(token, Tap(alter))
        # It is used up where the node has said its word, and only there.
        assert await statuses(node) == ["used" if place >= 4 else "open"]


async def test_the_invitation_cannot_be_exchanged_on_the_way() -> None:
    async with make_node("node") as node:
        one, other = await invite(node), await invite(node)

        def alter(at: int, message: bytes) -> bytes:
            return message.replace(one.id.hex().encode(), other.id.hex().encode())

        with pytest.raises(HandshakeError):
            await Guest().join(one, Tap(alter))
        assert await statuses(node) == ["open", "open"]


async def test_a_secret_is_sent_only_when_its_use_is_on_disk() -> None:
    state, tap, guest = FullDisk(), Tap(), Guest()
    async with make_node("node", state=state) as node:
        token = await invite(node)
        await guest.join(await invite(node))  # so that its name needs no more writing
        state.full = True
        with pytest.raises(HandshakeError):
            await guest.join(token, tap)
        state.full = False
        assert len(tap.seen) == 4, "neither hello nor welcome"
        assert await refusal(token, guest) == "invite_used"


async def test_an_invitation_carries_whose_revocations_are_in_force() -> None:
    home, later = Identity.generate(), Identity.generate()
    async with make_node("node", revokers={"home": home.key_text}) as node:
        welcomed = await Guest().join(await invite(node))
        assert welcomed.revokers == NamedKeys({"home": home.sign_public})
        node.trust.check(NodeId("home"), home.sign_public, proven=True, now=0.0)
        node.trust.succeed(NodeId("home"), later.sign_public, now=1.0)
        welcomed = await Guest("second").join(await invite(node))
        assert welcomed.revokers == NamedKeys({"home": later.sign_public}), "its present key"


async def test_an_invitation_without_revokers_names_nobody() -> None:
    async with make_node("node") as node:
        assert (await Guest().join(await invite(node))).revokers == NamedKeys()


async def test_a_welcome_with_names_that_are_none_is_refused() -> None:
    async with make_node("node") as node:
        node.revocations.name_revokers({'x" = 1\n[mesh': bytes(32)})
        with pytest.raises(HandshakeError, match="a welcome with wrong revokers"):
            await Guest().join(await invite(node))


@pytest.mark.parametrize("secret", ["short", "file:" + "/a" * 20, "env:" + "A" * 40])
async def test_nobody_is_told_to_read_a_secret_from_somewhere(secret: str) -> None:
    async with make_node("node") as node:
        node.keyring.put(Secret(secret))
        with pytest.raises(HandshakeError, match="an invalid secret"):
            await Guest().join(await invite(node))


async def test_many_machines_of_one_place_may_join_in_a_row() -> None:
    async with make_node("node") as node:
        for number in range(2 * BURST):
            await Guest(f"guest{number}").join(await invite(node))
        assert not node.counters


async def test_another_name_than_the_tokens_is_not_taken() -> None:
    async with make_node("node") as node:
        token = attrs.evolve(await invite(node), node_id="relay")
        with pytest.raises(HandshakeError, match="another name"):
            await Guest().join(token)


async def test_no_log_has_the_token_or_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with make_node("node") as node:
        token = await invite(node)
        await Guest().join(token)
        assert await refusal(token) == "invite_used"
        node.logger("mesh").warning("somebody logs %s", token.encode())
    assert "joins by invitation" in caplog.text
    assert "somebody logs ***" in caplog.text
    hidden = [token.encode(), token.secret.hex(), base64.b64encode(token.secret).decode(), SECRET]
    assert [one for one in hidden if one in caplog.text] == []


async def test_a_node_with_damaged_invitations_does_not_start() -> None:
    state = MemoryState()
    state.write(INVITATIONS, "none")
    told = {"node_id": "node", "secret": SECRET}
    node = Node(Config.from_mapping(told), plugins=[MeshPlugin(limits=LIMITS)], state=state)
    with pytest.raises(StartError, match=r"invitations .* is damaged") as caught:
        async with node:
            pass
    assert caught.value.exit_code == 4
