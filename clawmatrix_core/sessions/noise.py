"""Noise handshakes, after the Noise Protocol Framework, revision 34.

One suite, ``25519_AESGCM_SHA256``. Patterns are tables of tokens; what walks them knows
nothing of sockets, nodes or files.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import os
from typing import Literal, NoReturn

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clawmatrix_core.base.errors import HandshakeError, LocalProtocolError

__all__ = ["KK", "KKPSK0", "XX", "XXPSK3", "Handshake", "Pattern"]

KEY = 32
"""Bytes in a key, a DH result and a hash of this suite."""
TAG = 16
MESSAGE_MAX = 65535
"""Bytes a handshake message may have."""
PAYLOAD_MAX = MESSAGE_MAX - (KEY + KEY + TAG + TAG)
"""Bytes of payload that fit into the longest message of any pattern here."""

Token = Literal["e", "s", "ee", "es", "se", "ss", "psk"]


class Pattern(msgspec.Struct, frozen=True):
    """A handshake pattern: who sends which tokens when. The initiator sends first.

    ``known`` says that each side has the other's static key before the first message.
    """

    name: str
    messages: tuple[tuple[Token, ...], ...]
    known: bool = False

    @property
    def protocol_name(self) -> bytes:
        """The full Noise name, which both sides hash first."""
        return f"Noise_{self.name}_25519_AESGCM_SHA256".encode()

    @property
    def has_psk(self) -> bool:
        """Whether a pre-shared key is mixed in."""
        return any("psk" in tokens for tokens in self.messages)

    def with_psk(self, place: int) -> Pattern:
        """Return the pattern with the modifier ``psk<place>``.

        0 puts the key before the first message's tokens, N after those of message N.
        """
        if self.has_psk or not 0 <= place <= len(self.messages):
            raise LocalProtocolError(f"{self.name} takes no modifier psk{place}")
        messages = list(self.messages)
        if place == 0:
            messages[0] = ("psk", *messages[0])
        else:
            messages[place - 1] = (*messages[place - 1], "psk")
        return msgspec.structs.replace(
            self, name=f"{self.name}psk{place}", messages=tuple(messages)
        )


XX = Pattern("XX", (("e",), ("e", "ee", "s", "es"), ("s", "se")))
KK = Pattern("KK", (("e", "es", "ss"), ("e", "ee", "se")), known=True)
XXPSK3 = XX.with_psk(3)
KKPSK0 = KK.with_psk(0)


class Handshake:
    """One side of one handshake.

    ``write`` and ``read`` in turn, the initiator writing first, until ``finished``; then
    take ``hash``, ``remote_static`` and ``split()``. After a HandshakeError it is dead:
    close the connection and make a new one. ``ephemeral`` is for tests with known answers;
    a value used twice gives the keys away.
    """

    __slots__ = (
        "_ephemeral",
        "_failed",
        "_initiator",
        "_pattern",
        "_psk",
        "_remote_ephemeral",
        "_remote_static",
        "_static",
        "_step",
        "_symmetric",
    )

    def __init__(
        self,
        pattern: Pattern,
        *,
        initiator: bool,
        static: bytes,
        remote_static: bytes | None = None,
        psk: bytes | None = None,
        prologue: bytes = b"",
        ephemeral: bytes | None = None,
    ) -> None:
        _require((remote_static is not None) == pattern.known, "remote_static: not as the pattern")
        _require((psk is not None) == pattern.has_psk, "psk: not as the pattern")
        for key in (static, remote_static, psk, ephemeral):
            _require(key is None or len(key) == KEY, f"a key has {KEY} bytes")
        self._pattern = pattern
        self._initiator = initiator
        self._psk = psk
        self._static = X25519PrivateKey.from_private_bytes(static)
        self._ephemeral = X25519PrivateKey.from_private_bytes(ephemeral or os.urandom(KEY))
        self._remote_static = remote_static
        self._remote_ephemeral: bytes | None = None
        self._step = 0
        self._failed = False
        self._symmetric = _Symmetric(pattern.protocol_name)
        self._symmetric.mix_hash(prologue)
        if remote_static is not None:
            ours = self._static.public_key().public_bytes_raw()
            for key in (ours, remote_static) if initiator else (remote_static, ours):
                self._symmetric.mix_hash(key)

    def __repr__(self) -> str:
        role = "initiator" if self._initiator else "responder"
        state = "failed" if self._failed else "finished" if self.finished else f"step {self._step}"
        return f"<Handshake {self._pattern.name} {role}, {state}>"

    def with_psk(self, psk: bytes) -> Handshake:
        """Return a copy of this side that goes on with another pre-shared key.

        For whoever answers, and finds out by the last message which of several keys the
        other side has. The key must not be mixed in yet. Raises: LocalProtocolError.
        """
        mixed = any("psk" in tokens for tokens in self._pattern.messages[: self._step])
        _require(self._pattern.has_psk and not mixed, "the key is mixed in, or there is none")
        _require(len(psk) == KEY, f"a key has {KEY} bytes")
        other = copy.copy(self)
        other._psk = psk
        other._symmetric = copy.copy(self._symmetric)
        return other

    @property
    def finished(self) -> bool:
        """Whether all messages of the pattern were written and read."""
        return self._step == len(self._pattern.messages) and not self._failed

    @property
    def hash(self) -> bytes:
        """The hash of the whole handshake, the same at both ends and nowhere else."""
        _require(self.finished, "the handshake is not finished")
        return self._symmetric.hash

    @property
    def remote_static(self) -> bytes:
        """The other side's static public key; proved only once ``finished``."""
        if self._remote_static is None:
            raise LocalProtocolError("the other side's key has not come yet")
        return self._remote_static

    def split(self) -> tuple[bytes, bytes]:
        """Return the key to send with and the key to receive with."""
        _require(self.finished, "the handshake is not finished")
        first, second = _hkdf(self._symmetric.chaining_key, b"", 2)
        return (first, second) if self._initiator else (second, first)

    def write(self, payload: bytes = b"") -> bytes:
        """Return the next message.

        Raises: HandshakeError, where the other side's key is one that no honest side has;
            LocalProtocolError, where it is not this side's turn.
        """
        _require(not self._failed, "the handshake failed")
        _require(not self.finished, "the handshake is finished")
        _require(self._is_ours(), "it is the other side's turn")
        _require(len(payload) <= PAYLOAD_MAX, f"a payload has at most {PAYLOAD_MAX} bytes")
        message = b"".join(self._write_token(token) for token in self._tokens())
        self._step += 1
        return message + self._symmetric.encrypt(payload)

    def read(self, message: bytes) -> bytes:
        """Return the payload of the other side's next message.

        Raises: HandshakeError, with a ``reason`` of ``order``, ``short``, ``too_large``,
            ``forged`` or ``bad_key``.
        """
        if self._failed or self._step == len(self._pattern.messages) or self._is_ours():
            self._fail("a handshake message out of turn", "order")
        if len(message) > MESSAGE_MAX:
            self._fail(f"a handshake message of {len(message)} bytes", "too_large")
        rest = message
        for token in self._tokens():
            rest = self._read_token(token, rest)
        payload = self._decrypt(rest)
        self._step += 1
        return payload

    def _tokens(self) -> tuple[Token, ...]:
        return self._pattern.messages[self._step]

    def _is_ours(self) -> bool:
        return (self._step % 2 == 0) == self._initiator

    def _fail(self, message: str, reason: str) -> NoReturn:
        self._failed = True
        raise HandshakeError(message, reason=reason)

    def _write_token(self, token: Token) -> bytes:
        if token == "e":
            public = self._ephemeral.public_key().public_bytes_raw()
            self._mix_ephemeral(public)
            return public
        if token == "s":
            return self._symmetric.encrypt(self._static.public_key().public_bytes_raw())
        self._mix(token)
        return b""

    def _read_token(self, token: Token, rest: bytes) -> bytes:
        """Take one token off the front of a message and return what is behind it."""
        if token == "e":
            self._need(rest, KEY)
            self._remote_ephemeral = rest[:KEY]
            self._mix_ephemeral(self._remote_ephemeral)
            return rest[KEY:]
        if token == "s":
            size = KEY + (TAG if self._symmetric.has_key else 0)
            self._need(rest, size)
            self._remote_static = self._decrypt(rest[:size])
            return rest[size:]
        self._mix(token)
        return rest

    def _need(self, rest: bytes, size: int) -> None:
        if len(rest) < size:
            self._fail("a handshake message that ends early", "short")

    def _decrypt(self, ciphertext: bytes) -> bytes:
        if self._symmetric.has_key:
            self._need(ciphertext, TAG)
        try:
            return self._symmetric.decrypt(ciphertext)
        except InvalidTag:
            self._fail("a handshake message that does not authenticate", "forged")

    def _mix_ephemeral(self, public: bytes) -> None:
        self._symmetric.mix_hash(public)
        if self._psk is not None:
            self._symmetric.mix_key(public)

    def _mix(self, token: Token) -> None:
        """Mix in the pre-shared key, or the DH result that the token names.

        The first letter of a DH token is the initiator's key, the second the responder's.
        """
        if token == "psk":
            assert self._psk is not None
            self._symmetric.mix_key_and_hash(self._psk)
            return
        initiators, responders = token[0], token[1]
        ours, theirs = (initiators, responders) if self._initiator else (responders, initiators)
        private = self._ephemeral if ours == "e" else self._static
        public = self._remote_ephemeral if theirs == "e" else self._remote_static
        assert public is not None
        try:
            result = private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:  # the result is all zero
            self._fail("a public key of low order", "bad_key")
        self._symmetric.mix_key(result)


class _Symmetric:
    """The specification's SymmetricState and the CipherState in it."""

    __slots__ = ("_cipher", "_nonce", "chaining_key", "hash")

    def __init__(self, protocol_name: bytes) -> None:
        if len(protocol_name) <= KEY:
            self.hash = protocol_name.ljust(KEY, b"\0")
        else:
            self.hash = hashlib.sha256(protocol_name).digest()
        self.chaining_key = self.hash
        self._cipher: AESGCM | None = None
        self._nonce = 0

    @property
    def has_key(self) -> bool:
        return self._cipher is not None

    def mix_hash(self, data: bytes) -> None:
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, material: bytes) -> None:
        self.chaining_key, key = _hkdf(self.chaining_key, material, 2)
        self._start_cipher(key)

    def mix_key_and_hash(self, material: bytes) -> None:
        self.chaining_key, hashed, key = _hkdf(self.chaining_key, material, 3)
        self.mix_hash(hashed)
        self._start_cipher(key)

    def encrypt(self, plaintext: bytes) -> bytes:
        ciphertext = plaintext
        if self._cipher is not None:
            ciphertext = self._cipher.encrypt(self._next_nonce(), plaintext, self.hash)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext: bytes) -> bytes:
        plaintext = ciphertext
        if self._cipher is not None:
            plaintext = self._cipher.decrypt(self._next_nonce(), ciphertext, self.hash)
        self.mix_hash(ciphertext)
        return plaintext

    def _start_cipher(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._nonce = 0

    def _next_nonce(self) -> bytes:
        nonce = bytes(4) + self._nonce.to_bytes(8, "big")
        self._nonce += 1
        return nonce


def _hkdf(chaining_key: bytes, material: bytes, outputs: int) -> list[bytes]:
    temporary = hmac.digest(chaining_key, material, "sha256")
    results: list[bytes] = []
    last = b""
    for number in range(1, outputs + 1):
        last = hmac.digest(temporary, last + bytes((number,)), "sha256")
        results.append(last)
    return results


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise LocalProtocolError(message)
