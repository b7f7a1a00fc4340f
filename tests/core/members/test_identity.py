"""Identities, fingerprints and the key made of the cluster secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.members.identity import (
    Identity,
    digits,
    fingerprint,
    load_identity,
    psk_from_secret,
    verify,
)

if TYPE_CHECKING:
    from clawmatrix_core.state.folder import State

# RFC 8032, section 7.1, test 2, and RFC 7748, section 6.1, Alice.
SIGN_PRIVATE = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
SIGN_PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
CHANNEL_PRIVATE = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
CHANNEL_PUBLIC = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")


def test_known_keys_and_signature() -> None:
    identity = Identity(SIGN_PRIVATE, CHANNEL_PRIVATE)
    assert identity.sign_public == SIGN_PUBLIC
    assert identity.sign(b"\x72") == SIGNATURE
    assert identity.channel_public == CHANNEL_PUBLIC
    assert identity.channel_private == CHANNEL_PRIVATE


def test_generate_uses_the_bytes_it_is_given() -> None:
    source = iter([SIGN_PRIVATE, CHANNEL_PRIVATE])
    identity = Identity.generate(lambda size: next(source)[:size])
    assert identity == Identity(SIGN_PRIVATE, CHANNEL_PRIVATE)
    assert hash(identity) == hash(Identity(SIGN_PRIVATE, CHANNEL_PRIVATE))


def test_generated_identities_differ() -> None:
    first, second = Identity.generate(), Identity.generate()
    assert first != second
    assert first.channel_public != second.channel_public


def test_only_the_signer_and_the_signed_data_verify() -> None:
    identity, other = Identity.generate(), Identity.generate()
    signature = identity.sign(b"record")
    assert verify(identity.sign_public, signature, b"record")
    assert not verify(identity.sign_public, signature, b"other record")
    assert not verify(other.sign_public, signature, b"record")
    assert not verify(identity.sign_public, signature[:-1], b"record")
    assert not verify(b"short", signature, b"record")


def test_a_fingerprint_is_eight_groups_of_four() -> None:
    identity = Identity.generate()
    assert re.fullmatch(r"([A-Z2-7]{4}-){7}[A-Z2-7]{4}", identity.fingerprint)
    assert identity.fingerprint == fingerprint(identity.sign_public)


def test_a_fingerprint_never_changes() -> None:
    assert fingerprint(SIGN_PUBLIC) == "HH3R-HUFG-IQST-6BCS-SQQ3-T5I3-TMEJ-PHII"


def test_json_round_trip() -> None:
    identity = Identity.generate()
    again = Identity.from_json(identity.to_json())
    assert again == identity
    assert again.channel_private == identity.channel_private


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"sign_private": "AAAA"},
        {"sign_private": 1, "channel_private": 2},
        {"sign_private": "c2VjcmV0", "channel_private": "c2VjcmV0"},
        {"sign_private": "c2VjcmV0!", "channel_private": "é"},
    ],
)
def test_what_is_no_identity_is_refused_without_showing_it(data: object) -> None:
    with pytest.raises(StateError) as caught:
        Identity.from_json(data)
    assert "c2Vj" not in str(caught.value)


def test_repr_shows_the_fingerprint_and_no_key() -> None:
    identity = Identity.generate()
    assert repr(identity) == f"Identity(fingerprint='{identity.fingerprint}')"


def test_the_cluster_key_is_hkdf_sha256_of_the_secret() -> None:
    extracted = hmac.digest(bytes(32), "geheim ü".encode(), "sha256")
    expected = hmac.digest(extracted, b"clawmatrix cluster secret v1\x01", "sha256")
    assert psk_from_secret("geheim ü") == expected
    assert psk_from_secret("geheim u") != expected
    assert len(expected) == hashlib.sha256().digest_size


def test_the_identity_is_made_once(state: State) -> None:
    identity = load_identity(state)
    again = load_identity(state)
    assert again == identity
    assert again.channel_private == identity.channel_private


def test_the_identity_is_made_of_the_bytes_given(state: State) -> None:
    identity = load_identity(state, lambda size: bytes([7]) * size)
    assert identity == Identity(bytes([7]) * 32, bytes([7]) * 32)


def test_a_damaged_identity_is_named_and_never_replaced(state: State) -> None:
    state.write("identity", {"sign_private": "c2VjcmV0", "channel_private": ""})
    with pytest.raises(StateError, match=r"identity.*base64") as caught:
        load_identity(state)
    assert state.locate("identity") in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)
    assert state.read("identity") == {"sign_private": "c2VjcmV0", "channel_private": ""}


def test_an_identity_has_its_digits() -> None:
    identity = Identity.generate()
    assert identity.digits == digits(identity.sign_public)
