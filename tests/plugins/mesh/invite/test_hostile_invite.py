"""Strangers with guessed, replayed and broken invitations at a node's door, over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import pytest

from clawmatrix_core.base.errors import HandshakeError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import psk_from_secret
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from clawmatrix_mesh.invite.inviting import BURST, REFILL, Turnstile
from tests.plugins.mesh.invite.inviting import Guest, Tap, ask, invite
from tests.plugins.mesh.links.test_hostile_handshake import refuse_each
from tests.plugins.mesh.wire import Closed, Member, Wire

if TYPE_CHECKING:
    from clawmatrix_mesh.invite.token import Token
    from tests.plugins.mesh.conftest import Attack, Target

pytestmark = pytest.mark.anyio

Warnings = Callable[[str], list[str]]

GUESS = bytes(32)


async def shake(target: Target, token: Token, psk: bytes | None = None) -> Member:
    """Come with an invitation, as far as the last Noise message."""
    return await Member.shake(target.port, "guest", invite=token.id.hex(), psk=psk or token.psk)


async def is_open(target: Target, token: Token) -> bool:
    listed = {one["id"]: one["status"] for one in await ask(target.node, "invite.list")}
    return bool(listed[token.id.hex()] == "open")


async def test_guessed_ids_are_refused(attack: Attack, warnings: Warnings) -> None:
    async def attempt(port: int) -> Closed:
        async with await Wire.open(port) as wire:
            await wire.send(b'{"clawmatrix":[1,1],"invite":"0123456789abcdef"}\n' + bytes(48))
            return await wire.closed()

    await refuse_each(attack, warnings, "invite_unknown", 4010, "does not know", attempt)


@pytest.mark.parametrize("psk", [GUESS, psk_from_secret(SECRET)], ids=["guess", "mesh's secret"])
async def test_guessed_secrets_are_refused(attack: Attack, warnings: Warnings, psk: bytes) -> None:
    async with attack() as target:
        token = await invite(target.node)
        for times in (1, 2, 3):
            async with await shake(target, token, psk) as guest:
                assert (await guest.wire.closed()).code == 4010
            await target.counted("invite_wrong", times)
        assert len(warnings("without its secret")) == 1
        [refusal] = target.mesh_status()["refused"]
        assert (refusal["reason"], refusal["count"]) == ("invite_wrong", 3)
        assert await is_open(target, token), "guessing takes it from nobody"


async def test_the_key_of_an_invitation_opens_no_link(attack: Attack) -> None:
    async with attack() as target:
        token = await invite(target.node)
        async with await Member.shake(target.port, psk=token.psk) as guest:
            assert (await guest.wire.closed()).code == 4001
        await target.counted("wrong_secret")
        assert await is_open(target, token)


async def test_a_guest_whose_key_is_another_than_it_shows_is_refused(attack: Attack) -> None:
    async with attack() as target:
        token = await invite(target.node)
        async with await shake(target, token) as guest:
            await guest.send_hello({**guest.hello(), "proof": guest.proof(hash_=bytes(32))})
            assert (await guest.wire.closed()).code == 4000
        await target.counted("bad_hello")
        assert await is_open(target, token)


async def test_a_guest_that_says_no_hello_uses_nothing_up(attack: Attack) -> None:
    async with attack() as target:
        token = await invite(target.node)
        async with await shake(target, token) as guest:
            assert (await guest.wire.closed()).code == 4008
        await target.counted("silent")
        assert await is_open(target, token)


async def test_of_two_that_have_proved_one_token_the_second_is_told(attack: Attack) -> None:
    async with attack() as target:
        token = await invite(target.node)
        async with await shake(target, token) as one, await shake(target, token) as other:
            await one.send_hello()
            await one.receive_hello()
            assert await one.receive_type("welcome") == {"secret": SECRET}
            other.name = "other"
            await other.send_hello()
            assert (await other.wire.closed()).code == 4011
        await target.counted("invite_used")


async def test_a_revoked_invitation_stops_whoever_is_in_the_middle_of_it(attack: Attack) -> None:
    async with attack() as target:
        token = await invite(target.node)
        async with await shake(target, token) as guest:
            await ask(target.node, "invite.revoke", id=token.id.hex())
            await guest.send_hello()
            assert (await guest.wire.closed()).code == 4010
        assert target.node.trust.get(NodeId("guest")) is None


async def test_a_recorded_joining_is_worth_nothing(attack: Attack, warnings: Warnings) -> None:
    async with attack() as target:
        token, tap = await invite(target.node), Tap()
        unused = await invite(target.node)
        first, third = await _recorded(target, unused)
        async with await Wire.open(target.port) as again:
            await again.send(first)
            await again.receive()
            await again.send(third)
            assert (await again.closed()).code == 4000
        await target.counted("forged")
        assert await is_open(target, unused)

        await Guest().join(token, tap)
        for times in (1, 2):
            async with await Wire.open(target.port) as again:
                await again.send(tap.seen[0])
                assert (await again.closed()).code == 4011
            await target.counted("invite_used", times)
        assert len(warnings("was used by guest")) == 1


async def _recorded(target: Target, token: Token) -> tuple[bytes, bytes]:
    """Return what a guest sent who broke off behind the last Noise message."""
    sent: list[bytes] = []

    class Recorder(Wire):
        async def send(self, payload: bytes, opcode: int = 2) -> None:
            sent.append(payload)
            await super().send(payload, opcode)

    wire = await Recorder.open(target.port)
    async with await Member.shake(
        target.port, "guest", invite=token.id.hex(), psk=token.psk, wire=wire
    ):
        pass
    first, third = sent
    return first, third


async def refused(target: Target, token: Token) -> int:
    """Guess the secret of an invitation; return the code that says no."""
    async with await Wire.open(target.port) as wire:
        try:
            id_ = token.id.hex()
            await Member.shake(target.port, "guest", invite=id_, psk=GUESS, wire=wire)
            return (await wire.closed()).code
        except Closed as closed:
            return closed.code


async def test_guesses_at_an_invitation_lock_out_nobody_of_the_same_place(
    attack: Attack, warnings: Warnings
) -> None:
    async with attack() as target:
        token = await invite(target.node)
        codes = [await refused(target, token) for _ in range(BURST + 20)]
        assert codes == [4010] * len(codes)
        assert len(warnings("without its secret")) == 1
        used = await invite(target.node)
        await Guest("first").join(used)
        assert [await refused(target, used) for _ in range(3)] == [4011] * 3
        await Guest("second").join(token)


async def test_a_flood_of_unknown_invitations_is_slowed_and_named_once(
    attack: Attack, warnings: Warnings
) -> None:
    async with attack() as target:
        token = await invite(target.node)
        unknown = attrs.evolve(token, id=bytes(8))
        codes = [await refused(target, unknown) for _ in range(BURST + 20)]
        assert codes[:BURST] == [4010] * BURST
        assert codes.count(1013) >= 10
        await wait_until(lambda: target.node.counters["invite_rate"] == codes.count(1013))
        assert len(warnings("too many invitations")) == 1
        await Guest().join(token)


@pytest.mark.parametrize(
    "invite_",
    [b'""', b"1", b'"0123456789ABCDEF"', b'"0123456789abcde"', b"[]", b"true", b'"\\u0000"'],
)
async def test_what_is_no_id_of_an_invitation_is_refused(attack: Attack, invite_: bytes) -> None:
    async with attack() as target:
        async with await Wire.open(target.port) as wire:
            await wire.send(b'{"clawmatrix":[1,1],"invite":' + invite_ + b"}\n" + bytes(48))
            assert (await wire.closed()).code == 4000
        await target.counted("bad_preamble")


def test_each_place_has_its_own_number_of_tries_and_memory_is_bounded() -> None:
    now = [0.0]
    turnstile = Turnstile(lambda: now[0])

    def passes(remote: str) -> bool:
        try:
            turnstile.count_try(remote)
        except HandshakeError as error:
            return error.reason != "invite_rate"
        return True

    assert [passes("10.0.0.1:1") for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert passes("10.0.0.2:1")
    now[0] += REFILL
    assert [passes("10.0.0.1:2"), passes("10.0.0.1:3")] == [True, False]
    for number in range(5000):
        passes(f"10.1.{number // 250}.{number % 250}:1")
    assert len(turnstile) <= 1024
