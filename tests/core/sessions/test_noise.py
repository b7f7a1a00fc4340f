"""Handshakes: public vectors, an independent implementation, and everything that must fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from noise.connection import Keypair, NoiseConnection

from clawmatrix_core.base.errors import HandshakeError, LocalProtocolError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.sessions.noise import KK, KKPSK0, PAYLOAD_MAX, XX, XXPSK3, Handshake, Pattern
from clawmatrix_core.sessions.session import Session

FILE = json.loads((Path(__file__).parents[2] / "data" / "noise_vectors.json").read_text())
PATTERNS = {pattern.name: pattern for pattern in (XX, KK, XXPSK3, KKPSK0)}

ALICE, BOB, PSK = bytes([1]) * 32, bytes([2]) * 32, bytes([3]) * 32

each_pattern = pytest.mark.parametrize("pattern", PATTERNS.values(), ids=lambda p: p.name)


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def pair(pattern: Pattern, **bob: Any) -> tuple[Handshake, Handshake]:
    """Return both sides, the responder's arguments changed as asked."""
    known = pattern.known
    psk = PSK if pattern.has_psk else None
    alice = Handshake(
        pattern,
        initiator=True,
        static=ALICE,
        remote_static=public(BOB) if known else None,
        psk=psk,
    )
    arguments = {
        "static": BOB,
        "remote_static": public(ALICE) if known else None,
        "psk": psk,
        **bob,
    }
    return alice, Handshake(pattern, initiator=False, **arguments)


def run(alice: Handshake, bob: Handshake) -> None:
    """Pass all messages of a handshake."""
    sides = [alice, bob]
    while not (alice.finished and bob.finished):
        sides[1].read(sides[0].write())
        sides.reverse()


def vector_side(vector: dict[str, Any], ours: str, theirs: str) -> Handshake:
    pattern = PATTERNS[vector["protocol_name"].split("_")[1]]
    assert pattern.protocol_name.decode() == vector["protocol_name"]
    return Handshake(
        pattern,
        initiator=ours == "init",
        static=bytes.fromhex(vector[f"{ours}_static"]),
        ephemeral=bytes.fromhex(vector[f"{ours}_ephemeral"]),
        remote_static=(
            public(bytes.fromhex(vector[f"{theirs}_static"])) if pattern.known else None
        ),
        psk=bytes.fromhex(vector["psk"]) if pattern.has_psk else None,
        prologue=bytes.fromhex(vector["prologue"]),
    )


@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda vector: vector["protocol_name"])
def test_public_vectors_hold(vector: dict[str, Any]) -> None:
    initiator, responder = (
        vector_side(vector, "init", "resp"),
        vector_side(vector, "resp", "init"),
    )
    messages = [
        (bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
        for message in vector["messages"]
    ]
    sender, receiver = initiator, responder
    while not initiator.finished or not responder.finished:
        payload, ciphertext = messages.pop(0)
        assert sender.write(payload) == ciphertext
        assert receiver.read(ciphertext) == payload
        sender, receiver = receiver, sender
    assert initiator.hash == responder.hash
    assert initiator.split() == responder.split()[::-1]
    assert len(messages) == 2  # one transport message each way, the initiator's first
    for key, (payload, ciphertext) in zip(initiator.split(), messages, strict=True):
        assert AESGCM(key).encrypt(bytes(12), payload, b"") == ciphertext


def independent(pattern: Pattern, *, initiator: bool) -> Any:
    """Return the same side in the PyPI package noiseprotocol."""
    ours, theirs = (ALICE, BOB) if initiator else (BOB, ALICE)
    connection = NoiseConnection.from_name(pattern.protocol_name)
    if initiator:
        connection.set_as_initiator()
    else:
        connection.set_as_responder()
    connection.set_prologue(b"prologue")
    connection.set_keypair_from_private_bytes(Keypair.STATIC, ours)
    if pattern.known:
        connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, public(theirs))
    if pattern.has_psk:
        connection.set_psks(psk=PSK)
    connection.start_handshake()
    return connection


@each_pattern
@pytest.mark.parametrize("initiator", [True, False], ids=["initiator", "responder"])
def test_an_independent_implementation_completes_the_handshake_and_talks(
    pattern: Pattern, initiator: bool
) -> None:
    ours_key, theirs_key = (ALICE, BOB) if initiator else (BOB, ALICE)
    ours = Handshake(
        pattern,
        initiator=initiator,
        static=ours_key,
        remote_static=public(theirs_key) if pattern.known else None,
        psk=PSK if pattern.has_psk else None,
        prologue=b"prologue",
    )
    theirs = independent(pattern, initiator=not initiator)
    our_turn = initiator
    for number in range(len(pattern.messages)):
        payload = b"payload %d" % number
        if our_turn:
            assert theirs.read_message(ours.write(payload)) == payload
        else:
            assert ours.read(bytes(theirs.write_message(payload))) == payload
        our_turn = not our_turn
    assert ours.finished
    assert theirs.handshake_finished
    assert ours.remote_static == public(theirs_key)
    assert ours.hash == theirs.get_handshake_hash()
    talk(Session(ours.hash[:8], NodeId("theirs"), *ours.split(), "run", 0.0), theirs)


def talk(session: Session, theirs: Any) -> None:
    """Exchange messages under the keys that the handshake made, both ways and not in turn."""
    for number in range(20):
        there = b"there %d" % number * number
        assert theirs.decrypt(session.seal(b"", there)[16:]) == there
        for place in (2 * number, 2 * number + 1):
            back = b"back %d" % place
            sealed = b"".join((session.id, place.to_bytes(8, "big"), bytes(theirs.encrypt(back))))
            assert session.open(b"", sealed) == back


@each_pattern
def test_both_sides_end_with_the_same_keys_and_know_each_other(pattern: Pattern) -> None:
    alice, bob = pair(pattern)
    run(alice, bob)
    assert alice.split() == bob.split()[::-1]
    assert alice.split()[0] != alice.split()[1]
    assert alice.hash == bob.hash
    assert (alice.remote_static, bob.remote_static) == (public(BOB), public(ALICE))


@each_pattern
def test_two_handshakes_of_the_same_keys_share_nothing(pattern: Pattern) -> None:
    first, second = pair(pattern), pair(pattern)
    run(*first)
    run(*second)
    assert first[0].hash != second[0].hash
    assert not set(first[0].split()) & set(second[0].split())


@each_pattern
def test_every_changed_byte_is_noticed(pattern: Pattern) -> None:
    for step in range(len(pattern.messages)):
        size = len(after(pattern, step)[0].write(b"payload"))
        for place in range(size):
            sender, receiver = after(pattern, step)
            message = bytearray(sender.write(b"payload"))
            message[place] ^= 0x80
            assert refusal(sender, receiver, bytes(message)) == "forged"


def after(pattern: Pattern, steps: int) -> tuple[Handshake, Handshake]:
    """Return who writes next and who reads, that many messages into a handshake."""
    sender, receiver = pair(pattern)
    for _ in range(steps):
        receiver.read(sender.write())
        sender, receiver = receiver, sender
    return sender, receiver


def refusal(sender: Handshake, receiver: Handshake, message: bytes) -> str | None:
    """Return why a message, or else the answer to it, is refused.

    The first message of XX is in the clear: a change in it shows in the answer.
    """
    try:
        receiver.read(message)
        sender.read(receiver.write())
    except HandshakeError as error:
        return error.reason
    return None


@each_pattern
def test_a_message_cut_anywhere_is_refused(pattern: Pattern) -> None:
    whole = pair(pattern)
    message = whole[0].write()
    for size in range(len(message)):
        with pytest.raises(HandshakeError) as caught:
            pair(pattern)[1].read(message[:size])
        assert caught.value.reason in {"short", "forged"}
    whole[1].read(message)
    answer = whole[1].write()
    for size in (0, 31, 32, 47, 79):
        with pytest.raises(HandshakeError):
            whole[0].read(answer[: min(size, len(answer) - 1)])


@pytest.mark.parametrize("pattern", [XXPSK3, KKPSK0], ids=lambda pattern: pattern.name)
def test_another_cluster_secret_is_refused(pattern: Pattern) -> None:
    with pytest.raises(HandshakeError):
        run(*pair(pattern, psk=bytes(32)))


@each_pattern
def test_another_prologue_is_refused(pattern: Pattern) -> None:
    with pytest.raises(HandshakeError):
        run(*pair(pattern, prologue=b"another"))


@pytest.mark.parametrize("pattern", [KK, KKPSK0], ids=lambda pattern: pattern.name)
def test_another_static_key_than_the_known_one_is_refused(pattern: Pattern) -> None:
    with pytest.raises(HandshakeError):
        run(*pair(pattern, static=bytes([9]) * 32))


def test_an_ephemeral_key_of_low_order_is_refused() -> None:
    _, bob = pair(XX)
    bob.read(bytes(32))
    with pytest.raises(HandshakeError) as caught:
        bob.write()
    assert caught.value.reason == "bad_key"
    with pytest.raises(LocalProtocolError, match="failed"):
        bob.write()


def test_a_known_key_of_low_order_is_refused() -> None:
    alice = Handshake(KK, initiator=True, static=ALICE, remote_static=bytes(32))
    with pytest.raises(HandshakeError) as caught:
        alice.write()
    assert caught.value.reason == "bad_key"


def test_messages_out_of_turn_are_refused() -> None:
    alice, bob = pair(XX)
    with pytest.raises(LocalProtocolError, match="other side's turn"):
        bob.write()
    with pytest.raises(HandshakeError) as caught:
        alice.read(bytes(100))
    assert caught.value.reason == "order"


def test_a_message_after_the_last_is_refused() -> None:
    alice, bob = pair(KK)
    run(alice, bob)
    with pytest.raises(LocalProtocolError, match="finished"):
        alice.write()
    with pytest.raises(HandshakeError):
        bob.read(bytes(100))
    assert not bob.finished


def test_a_failed_handshake_stays_failed() -> None:
    alice, bob = pair(XXPSK3)
    message = alice.write()
    with pytest.raises(HandshakeError):
        bob.read(b"")
    with pytest.raises(HandshakeError):
        bob.read(message)
    assert "failed" in repr(bob)


def test_payloads_and_messages_have_a_limit() -> None:
    alice, bob = pair(XX)
    with pytest.raises(LocalProtocolError, match="at most"):
        alice.write(bytes(PAYLOAD_MAX + 1))
    assert bob.read(alice.write(bytes(PAYLOAD_MAX))) == bytes(PAYLOAD_MAX)
    assert len(bob.write(bytes(PAYLOAD_MAX))) == 65535
    _, other = pair(XX)
    with pytest.raises(HandshakeError) as caught:
        other.read(bytes(65536))
    assert caught.value.reason == "too_large"


def test_nothing_can_be_taken_before_the_end() -> None:
    alice, _ = pair(XX)
    for take in (lambda: alice.hash, alice.split, lambda: alice.remote_static):
        with pytest.raises(LocalProtocolError):
            take()


@pytest.mark.parametrize(
    ("pattern", "arguments"),
    [
        (XX, {"static": b"short"}),
        (XX, {"remote_static": public(BOB)}),
        (XX, {"psk": PSK}),
        (XX, {"ephemeral": b"short"}),
        (KK, {}),
        (KK, {"remote_static": b"short"}),
        (XXPSK3, {}),
        (XXPSK3, {"psk": b"short"}),
    ],
)
def test_keys_that_do_not_fit_the_pattern_are_refused(
    pattern: Pattern, arguments: dict[str, bytes]
) -> None:
    with pytest.raises(LocalProtocolError):
        Handshake(pattern, initiator=True, **{"static": ALICE, **arguments})


def test_psk_modifiers_go_where_the_specification_puts_them() -> None:
    assert XX.with_psk(0).messages[0] == ("psk", "e")
    assert XX.with_psk(1).messages[0] == ("e", "psk")
    assert XXPSK3.messages[2] == ("s", "se", "psk")
    assert KKPSK0.messages[0] == ("psk", "e", "es", "ss")
    with pytest.raises(LocalProtocolError):
        XX.with_psk(4)
    with pytest.raises(LocalProtocolError):
        XXPSK3.with_psk(0)


def test_a_long_protocol_name_is_hashed() -> None:
    pattern = Pattern("a_pattern_with_a_long_name", XX.messages)
    alice, bob = pair(pattern)
    run(alice, bob)
    assert alice.hash == bob.hash


def test_repr_shows_the_state_and_no_key() -> None:
    alice, bob = pair(XXPSK3)
    assert repr(alice) == "<Handshake XXpsk3 initiator, step 0>"
    run(alice, bob)
    assert repr(bob) == "<Handshake XXpsk3 responder, finished>"


def half_way() -> tuple[Handshake, Handshake, bytes]:
    """Return both sides of XXpsk3 before the last message, and that message."""
    alice, bob = pair(XXPSK3)
    bob.read(alice.write())
    alice.read(bob.write())
    return alice, bob, alice.write()


def test_who_answers_can_try_several_keys_on_the_last_message() -> None:
    alice, bob, last = half_way()
    wrong = bob.with_psk(bytes(32))
    with pytest.raises(HandshakeError) as caught:
        wrong.read(last)
    assert caught.value.reason == "forged"
    assert wrong.remote_static == public(ALICE)
    right = bob.with_psk(PSK)
    assert right.read(last) == b""
    assert (right.hash, right.split()) == (alice.hash, alice.split()[::-1])
    assert not bob.finished


def test_a_key_that_is_mixed_in_is_not_replaced() -> None:
    _, bob, last = half_way()
    bob.read(last)
    with pytest.raises(LocalProtocolError, match="mixed in"):
        bob.with_psk(PSK)
    alice, _ = pair(KKPSK0)
    alice.write()
    with pytest.raises(LocalProtocolError, match="mixed in"):
        alice.with_psk(PSK)
    alice, _ = pair(XX)
    with pytest.raises(LocalProtocolError, match="there is none"):
        alice.with_psk(PSK)
    alice, _ = pair(XXPSK3)
    with pytest.raises(LocalProtocolError, match="32 bytes"):
        alice.with_psk(b"short")
