"""Strangers and impostors at a node's door, over real sockets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.members.identity import Identity
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.links.limits import HELLO_LIMIT
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.plugins.mesh.conftest import LIMITS, Attack, make_node
from tests.plugins.mesh.wire import (
    PREAMBLE,
    TEXT,
    UPGRADE,
    Closed,
    Member,
    Wire,
    header,
    record_of,
    signed,
)

if TYPE_CHECKING:
    from anyio.abc import ByteStream

pytestmark = pytest.mark.anyio

Warnings = Callable[[str], list[str]]


async def refuse_each(
    attack: Attack,
    warnings: Warnings,
    reason: str,
    code: int,
    text: str,
    attempt: Callable[[int], Any],
) -> None:
    """Have something tried three times: refused and counted each time, logged once."""
    async with attack() as target:
        for times in (1, 2, 3):
            closed = await attempt(target.port)
            assert closed.code == code
            await target.counted(reason, times)
        assert len(warnings(text)) == 1
        [refusal] = target.mesh_status()["refused"]
        assert (refusal["reason"], refusal["count"]) == (reason, 3)
        assert set(target.node.links) == {"home", "lab"}


async def test_another_secret_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def attempt(port: int) -> Closed:
        async with await Member.shake(port, secret="x" * 40) as stranger:
            return await stranger.wire.closed()

    await refuse_each(
        attack, warnings, "wrong_secret", 4001, "does not have this mesh's secret", attempt
    )


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\n",
        b"{}\n",
        b"[1,1]\n",
        b'{"clawmatrix":1}\n',
        b'{"clawmatrix":[1,1,1]}\n',
        b'{"clawmatrix":[2,1]}\n',
        b'{"clawmatrix":[true,true]}\n',
        b'{"clawmatrix":[1,99999999999999999999999999]}\n',
        b'{"clawmatrix":' + b"[" * 900 + b"]" * 10 + b"\n",
        b"\xff\xfe\n",
        b"x" * 5000 + b"\n",
        bytes(60_000),
    ],
    ids=lambda first: repr(first[:30]),
)
async def test_garbage_in_place_of_a_preamble_is_refused(
    attack: Attack, warnings: Warnings, first: bytes
) -> None:
    async def attempt(port: int) -> Closed:
        async with await Wire.open(port) as wire:
            await wire.send(first)
            return await wire.closed()

    await refuse_each(attack, warnings, "bad_preamble", 4000, "preamble", attempt)


@pytest.mark.parametrize(
    ("noise", "reason"),
    [(b"", "short"), (b"x" * 31, "short"), (bytes(48), "forged"), (b"x" * 60000, "forged")],
)
async def test_garbage_in_place_of_a_key_is_refused(
    attack: Attack, warnings: Warnings, noise: bytes, reason: str
) -> None:
    async def attempt(port: int) -> Closed:
        async with await Wire.open(port) as wire:
            await wire.send(PREAMBLE + b"\n" + noise)
            return await wire.closed()

    await refuse_each(attack, warnings, reason, 4000, "a handshake message", attempt)


async def test_a_text_message_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def attempt(port: int) -> Closed:
        async with await Wire.open(port) as wire:
            await wire.send(b"hello", TEXT)
            return await wire.closed()

    await refuse_each(attack, warnings, "text_message", 1003, "text messages", attempt)


@pytest.mark.bound("clawmatrix_mesh.links.limits.HELLO_LIMIT")
async def test_a_message_too_large_for_a_stranger_is_refused(
    attack: Attack, warnings: Warnings
) -> None:
    async def attempt(port: int) -> Closed:
        async with await Member.shake(port) as stranger:
            await stranger.wire.stream.send(b"\x82\xff" + (HELLO_LIMIT + 1).to_bytes(8) + bytes(4))
            return await stranger.wire.closed()

    await refuse_each(attack, warnings, "too_large", 1009, "left its handshake", attempt)


@pytest.mark.bound("clawmatrix_mesh.websocket.strangers.OPENING")
async def test_messages_that_come_with_the_request_are_not_read_beyond_the_bound(
    attack: Attack, warnings: Warnings
) -> None:
    async def attempt(port: int) -> Closed:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            wire = Wire(stream)
            await stream.send(UPGRADE + (wire.frame(bytes(1_000_000)) * 3)[: 200 * 1024])
            while b"\r\n\r\n" not in wire._read:
                wire._read += await stream.receive()
            wire._read = wire._read.partition(b"\r\n\r\n")[2]
            return await wire.closed()

    await refuse_each(attack, warnings, "too_large", 1009, "left its handshake", attempt)


async def test_a_replayed_handshake_is_refused(attack: Attack, warnings: Warnings) -> None:
    sent: list[bytes] = []

    class Recorder(Wire):
        async def send(self, payload: bytes, opcode: int = 2) -> None:
            sent.append(payload)
            await super().send(payload, opcode)

    async with attack() as target:
        wire = await Recorder.open(target.port)
        async with await Member.join(target.port, "victim", wire=wire):
            await wait_until(lambda: "victim" in target.node.links)
        await wait_until(lambda: "victim" not in target.node.links)
        assert len(sent) == 3
        for times in (1, 2):
            async with await Wire.open(target.port) as again:
                await again.send(sent[0])
                await again.receive()
                await again.send(sent[1])
                await again.send(sent[2])
                assert (await again.closed()).code == 4000
            await target.counted("forged", times)
        assert "victim" not in target.node.links
        assert len(warnings("does not authenticate")) == 1


def reflect(message: bytes) -> bytes:
    return message


def answer_in_kind(message: bytes) -> bytes:
    """Return a first message as an answer to it would begin."""
    return b'{"clawmatrix":[1,1],"use":1}\n' + message.partition(b"\n")[2]


async def test_what_a_node_sends_is_not_taken_from_it_again(attack: Attack) -> None:
    async with attack() as target:
        async with await Wire.open(target.port) as wire:
            await wire.send(PREAMBLE + b"\n" + bytes(range(32)) + bytes(16))
            assert (await wire.closed()).code == 4000
        # The tag of the first message is public knowledge: go on with a good one.
        async with await _after_first_message(target.port) as wire:
            await wire.send((await wire.receive()).partition(b"\n")[2])
            assert (await wire.closed()).code == 4000
        await target.counted("forged", 2)


async def _after_first_message(port: int) -> Wire:
    recorded: list[bytes] = []

    class Recorder(Wire):
        async def send(self, payload: bytes, opcode: int = 2) -> None:
            recorded.append(payload)
            await super().send(payload, opcode)

    async with await Member.shake(port, wire=await Recorder.open(port)):
        pass
    wire = await Wire.open(port)
    await wire.send(recorded[0])
    return wire


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reflect, "answers like no ClawMatrix node"),
        (answer_in_kind, "a handshake message that ends early"),
        (lambda _: b"", "no preamble"),
        (lambda _: b'{"clawmatrix":[1,1],"use":7}\n', "answers like no ClawMatrix node"),
        (lambda _: b'{"clawmatrix":[1,1],"error":"\\u001b[31mgo\\naway"}\n', "refused: [31mgoaway"),
        (lambda _: b'{"clawmatrix":[7,9],"error":"version"}\n', "update the older one"),
        (lambda _: b'{"clawmatrix":[1,1],"use":1}\n' + bytes(96), "of low order"),
        (lambda _: b'{"clawmatrix":[1,1],"use":1}\n' + bytes(range(96)), "does not authenticate"),
    ],
)
async def test_a_false_node_that_is_dialled_gets_nothing(
    answer: Callable[[bytes], bytes], error: str
) -> None:
    """A server that cannot prove itself, whatever it answers, is not taken for a node."""
    async with WebSocketTransport().listen("ws://127.0.0.1:0") as listener:
        [address] = listener.addresses

        async def serve() -> None:
            while True:
                connection = await listener.accept()
                await connection.send(answer(await connection.receive()))

        async with make_node("node", peers=[address]) as node, anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            [section] = [one for one in node.status_sections() if one.name == "mesh"]

            def said() -> str:
                return "".join(one["error"] or "" for one in section.read()["dialling"])

            try:
                await wait_until(lambda: error in said(), limit=5)
            finally:
                tasks.cancel_scope.cancel()
            assert not node.links


async def test_a_name_that_is_pinned_is_refused_under_another_key(
    attack: Attack, warnings: Warnings
) -> None:
    async def attempt(port: int) -> Closed:
        member = await Member.shake(port, "home")
        async with member:
            await member.send_hello(epoch=1000)
            return await member.wire.closed()

    await refuse_each(attack, warnings, "pin_conflict", 4006, "home shows another key", attempt)


async def test_the_nodes_own_name_is_refused_under_another_key(
    attack: Attack, warnings: Warnings
) -> None:
    async def attempt(port: int) -> Closed:
        async with await Member.shake(port, "node") as member:
            await member.send_hello(epoch=1000)
            return await member.wire.closed()

    await refuse_each(attack, warnings, "pin_conflict", 4006, "another node is named node", attempt)


def forged_record(member: Member) -> dict[str, Any]:
    hello = member.hello()
    return {**hello, "record": hello["record"].replace('"epoch": 1', '"epoch": 2')}


def record_of_another(member: Member) -> dict[str, Any]:
    other = Identity.generate()
    return {**member.hello(), **signed(record_of(member.name, other), other)}


def record_with_anothers_channel_key(member: Member) -> dict[str, Any]:
    """Its own signing key over the channel key of somebody else: an unknown key share."""
    other = record_of(member.name, Identity.generate())["channelKey"]
    return member.hello(channelKey=other)


def proof_of_another_role(member: Member) -> dict[str, Any]:
    return {**member.hello(), "proof": member.proof(b"answered")}


def proof_of_another_handshake(member: Member) -> dict[str, Any]:
    return {**member.hello(), "proof": member.proof(hash_=bytes(32))}


def proof_by_another_key(member: Member) -> dict[str, Any]:
    proof = Identity.generate().sign(b"clawmatrix hello v1\0dialled\0" + member.hash)
    return {**member.hello(), "proof": base64.b64encode(proof).decode()}


def other_versions(member: Member) -> dict[str, Any]:
    return {**member.hello(), "versions": [1, 2]}


def without(field: str) -> Callable[[Member], dict[str, Any]]:
    return lambda member: {name: value for name, value in member.hello().items() if name != field}


def with_(field: str, value: object) -> Callable[[Member], dict[str, Any]]:
    return lambda member: {**member.hello(), field: value}


def changed(**changes: Any) -> Callable[[Member], dict[str, Any]]:
    return lambda member: member.hello(**changes)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (forged_record, "forged_record"),
        (record_of_another, "bad_hello"),
        (record_with_anothers_channel_key, "bad_hello"),
        (proof_of_another_role, "bad_hello"),
        (proof_of_another_handshake, "bad_hello"),
        (proof_by_another_key, "bad_hello"),
        (other_versions, "downgrade"),
        (without("proof"), "bad_hello"),
        (without("versions"), "downgrade"),
        (without("record"), "bad_record"),
        (without("sig"), "bad_record"),
        (with_("proof", 7), "bad_hello"),
        (with_("proof", "ü"), "bad_hello"),
        (with_("sig", "ü"), "forged_record"),
        (with_("record", "x" * 70_000), "bad_record"),
        (changed(nodeId=""), "bad_record"),
        (changed(nodeId="x" * 65), "bad_record"),
        (changed(nodeId="../home"), "bad_record"),
        (changed(nodeId="mal\x1b[31mlory"), "bad_record"),
        (changed(instance=""), "bad_record"),
        (changed(instance="no spaces, please"), "bad_record"),
        (changed(epoch=2**64), "bad_record"),
        (changed(epoch=-1), "bad_record"),
        (changed(seq="1"), "bad_record"),
        (changed(signKey="c2hvcnQ="), "bad_record"),
        (changed(links={"home": -1}), "bad_record"),
        (changed(offers={"models": [{"id": "m", "size": 10**30}]}), "bad_record"),
        (changed(nodeId="somebody-else"), "bad_hello"),
    ],
)
async def test_a_hello_that_does_not_hold_is_refused(
    attack: Attack, warnings: Warnings, make: Callable[[Member], dict[str, Any]], reason: str
) -> None:
    async def attempt(port: int) -> Closed:
        async with await Member.shake(port) as member:
            await member.send_hello(make(member))
            return await member.wire.closed()

    await refuse_each(attack, warnings, reason, 4000, "refused 127.0.0.1", attempt)


async def test_a_record_nested_beyond_measure_is_refused(
    attack: Attack, warnings: Warnings
) -> None:
    async def attempt(port: int) -> Closed:
        async with await Member.shake(port) as member:
            record = json.dumps(record_of(member.name, member.identity))
            deep = record[:-1] + ', "offers": ' + "[" * 20_000 + "]" * 20_000 + "}"
            await member.send_hello({**member.hello(), **signed(deep, member.identity)})
            return await member.wire.closed()

    await refuse_each(attack, warnings, "bad_record", 4000, "refused 127.0.0.1", attempt)


@pytest.mark.parametrize(
    ("line", "plain", "reason"),
    [
        (header(type="heartbeat", from_="mallory", to="*", body="sealed"), b"j{}", "bad_hello"),
        (header(type="hello", from_="mallory", to="*", body="json"), b"j{}", "bad_hello"),
        (header(type="hello", from_="mallory", to="*", body="sealed"), b"j[]", "bad_hello"),
        (header(type="hello", from_="mallory", to="*", body="sealed"), b"j{", "bad_hello"),
        (header(type="hello", from_="mallory", to="*", body="sealed"), b"b{}", "bad_hello"),
        (header(type="hello", from_="mallory", to="*", body="sealed"), b"", "bad_hello"),
        (b"not a header", b"j{}", "bad_header"),
        (b" " * 9000, b"j{}", "header_too_large"),
    ],
)
async def test_a_frame_that_is_no_hello_is_refused(
    attack: Attack, warnings: Warnings, line: bytes, plain: bytes, reason: str
) -> None:
    async def attempt(port: int) -> Closed:
        async with await Member.shake(port) as member:
            await member.send_sealed(line, plain)
            return await member.wire.closed()

    await refuse_each(attack, warnings, reason, 4000, "refused 127.0.0.1", attempt)


async def test_an_unsealed_hello_is_refused(attack: Attack, warnings: Warnings) -> None:
    async def attempt(port: int) -> Closed:
        async with await Member.shake(port) as member:
            line = header(type="hello", from_="mallory", to="*", body="sealed")
            await member.wire.send(b"\x20" + line + b"\nj" + json.dumps(member.hello()).encode())
            return await member.wire.closed()

    async with attack() as target:
        assert (await attempt(target.port)).code == 4000
        await wait_until(lambda: target.node.counters["replay"] + target.node.counters["forged"])
        assert len(warnings("refused 127.0.0.1")) == 1


# --- slow ones


async def drip(stream: ByteStream, data: bytes) -> None:
    try:
        for byte in data:
            await stream.send(bytes([byte]))
            await anyio.sleep(0.05)
    except (anyio.BrokenResourceError, OSError):
        pass


async def test_a_peer_that_says_nothing_is_cut_off(attack: Attack, warnings: Warnings) -> None:
    async def attempt(port: int) -> Closed:
        async with await Wire.open(port) as wire:
            return await wire.closed()

    await refuse_each(attack, warnings, "silent", 4008, "did not prove itself", attempt)


async def test_a_member_that_says_no_hello_is_cut_off(attack: Attack, warnings: Warnings) -> None:
    async with attack() as target:
        async with await Member.shake(target.port) as member:
            assert (await member.wire.closed()).code == 4008
        await target.counted("silent")


async def test_a_peer_that_sends_a_byte_at_a_time_is_cut_off(attack: Attack) -> None:
    async with attack() as target:
        began = anyio.current_time()
        async with await Wire.open(target.port) as wire, anyio.create_task_group() as tasks:
            tasks.start_soon(drip, wire.stream, Wire.frame(PREAMBLE + b"\n" + bytes(48)))
            assert (await wire.closed()).code == 4008
            tasks.cancel_scope.cancel()
        assert anyio.current_time() - began < LIMITS.handshake + 2
        await target.counted("silent")
