"""Who a node is: a key that signs and a key that opens channels."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.state.files import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.state.folder import State

__all__ = [
    "Identity",
    "digits",
    "fingerprint",
    "key_text",
    "load_identity",
    "psk_from_secret",
    "read_key_text",
    "verify",
]

KEY = 32
FINGERPRINT_BYTES = 20
"""Bytes of the hash that a fingerprint shows: 160 bits, eight groups of four letters."""
SECRET_LABEL = b"clawmatrix cluster secret v1"

_KEY_PREFIX = "ed25519:"
_DIGITS = 40
_DIGITS_LABEL = b"clawmatrix fingerprint v1\0"


def fingerprint(sign_public: bytes) -> str:
    """Return a public key as people compare it: ``ABCD-EFGH-...``."""
    digest = hashlib.sha256(sign_public).digest()[:FINGERPRINT_BYTES]
    letters = base64.b32encode(digest).decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def digits(sign_public: bytes) -> str:
    """Return a public key as people read it to each other: eight groups of five digits.

    They have 132 bits of the hash.
    """
    hashed = int.from_bytes(hashlib.sha256(_DIGITS_LABEL + sign_public).digest())
    text = f"{hashed % 10**_DIGITS:0{_DIGITS}}"
    return " ".join(text[at : at + 5] for at in range(0, _DIGITS, 5))


def key_text(sign_public: bytes) -> str:
    """Return a public key as a configuration has it: ``ed25519:`` and base64."""
    return _KEY_PREFIX + base64.b64encode(sign_public).decode()


def read_key_text(text: str) -> bytes:
    """Return the 32 bytes of the key that ``key_text`` gave. Raises: ValueError."""
    try:
        key = base64.b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY or not text.startswith(_KEY_PREFIX):
        raise ValueError(f'expected "{_KEY_PREFIX}" and 32 bytes of base64')
    return key


def verify(sign_public: bytes, signature: bytes, data: bytes) -> bool:
    """Return whether the signature over the data is by that key; False for a malformed key."""
    try:
        Ed25519PublicKey.from_public_bytes(sign_public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def psk_from_secret(secret: str) -> bytes:
    """Return the 32-byte key that the cluster secret puts into every handshake.

    The derivation is fast, so the secret itself has to be long and random.
    """
    return HKDF(hashes.SHA256(), KEY, salt=None, info=SECRET_LABEL).derive(secret.encode())


@attrs.frozen
class Identity:
    """A node's own keys. Two are equal where their public halves are.

    Attributes:
        sign_private: the Ed25519 private key.
        channel_private: the X25519 private key.
        sign_public: what other nodes pin.
        channel_public: what other nodes open channels to; signed records vouch for it.
        fingerprint: ``sign_public`` as people compare it.
    """

    sign_private: bytes = attrs.field(repr=False, eq=False)
    channel_private: bytes = attrs.field(repr=False, eq=False)
    _signer: Ed25519PrivateKey = attrs.field(init=False, repr=False, eq=False)
    sign_public: bytes = attrs.field(init=False, repr=False)
    channel_public: bytes = attrs.field(init=False, repr=False)
    fingerprint: str = attrs.field(init=False, eq=False)

    @_signer.default
    def _load_signer(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.sign_private)

    @sign_public.default
    def _derive_sign_public(self) -> bytes:
        return self._signer.public_key().public_bytes_raw()

    @channel_public.default
    def _derive_channel_public(self) -> bytes:
        private = X25519PrivateKey.from_private_bytes(self.channel_private)
        return private.public_key().public_bytes_raw()

    @fingerprint.default
    def _derive_fingerprint(self) -> str:
        return fingerprint(self.sign_public)

    @property
    def key_text(self) -> str:
        """``sign_public`` as a configuration has it."""
        return key_text(self.sign_public)

    @property
    def digits(self) -> str:
        """``sign_public`` as people read it to each other."""
        return digits(self.sign_public)

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes] = os.urandom) -> Identity:
        """Return a new identity, made of 64 random bytes."""
        return cls(random_bytes(KEY), random_bytes(KEY))

    @classmethod
    def from_json(cls, data: object) -> Identity:
        """Return the identity that ``to_json`` gave. Raises: StateError, without the data."""
        match data:
            case {"sign_private": str(sign), "channel_private": str(channel)}:
                pass
            case _:
                raise StateError("not an identity: two keys are expected")
        try:
            return cls(*(base64.b64decode(key, validate=True) for key in (sign, channel)))
        except ValueError:
            raise StateError("not an identity: a key is not 32 bytes in base64") from None

    def to_json(self) -> dict[str, str]:
        """Return the private keys, for the state folder and nowhere else."""
        return {
            "sign_private": base64.b64encode(self.sign_private).decode(),
            "channel_private": base64.b64encode(self.channel_private).decode(),
        }

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._signer.sign(data)


def load_identity(state: State, random_bytes: Callable[[int], bytes] = os.urandom) -> Identity:
    """Return the node's identity; make and keep it on first use. Raises: StateError."""
    data = state.read("identity")
    if data is None:
        identity = Identity.generate(random_bytes)
        state.write("identity", identity.to_json())
        return identity
    try:
        return Identity.from_json(data)
    except StateError as error:
        raise StateError(f"{state.locate('identity')}: {error}; {DAMAGED}") from None
