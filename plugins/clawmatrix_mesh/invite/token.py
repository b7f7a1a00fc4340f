"""The token of an invitation: where to dial, which key to expect there, and what to prove.

Its bytes, whose text is ``cmi_`` and base64 for URLs without padding::

    version (1 byte, 1)   id (8)   secret (32)   X25519 key (32)   name   count (1)   addresses
    checksum (4): the first bytes of SHA-256 over a label and all that is before it

A name or an address is a byte of its length, then its text. Whoever has the token can join.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

import attrs

from clawmatrix_core import ClawMatrixError, is_node_id
from clawmatrix_mesh.addresses import check_address
from clawmatrix_mesh.invite.psk import invitation_psk

__all__ = ["ADDRESSES_MOST", "BadToken", "Token"]

ADDRESSES_MOST = 8
"""Addresses in one token."""

_PREFIX = "cmi_"
_VERSION = 1
_ID, _SECRET, _KEY, _CHECKSUM = 8, 32, 32, 4
_FIXED = 1 + _ID + _SECRET + _KEY
_LABEL = b"clawmatrix invitation token v1\0"
_LIMIT = 4096
"""Letters of a token at most."""


class BadToken(ClawMatrixError):
    """A text that is no token, or not the whole of one."""


@attrs.frozen
class Token:
    """What the joining side knows.

    Attributes:
        id: which invitation it is; not secret.
        secret: 32 random bytes that nobody else has but the inviting node.
        key: the inviting node's X25519 key.
        node_id: the inviting node's name.
        addresses: where to dial it.
    """

    id: bytes
    secret: bytes = attrs.field(repr=False)
    key: bytes
    node_id: str
    addresses: tuple[str, ...]

    @property
    def psk(self) -> bytes:
        """The key that goes into the handshake."""
        return invitation_psk(self.secret)

    def encode(self) -> str:
        """Return the text that is handed on."""
        texts = [self.node_id.encode(), *(address.encode() for address in self.addresses)]
        name, *addresses = (bytes([len(text)]) + text for text in texts)
        head = bytes([_VERSION]) + self.id + self.secret + self.key + name
        body = head + bytes([len(addresses)]) + b"".join(addresses)
        return _PREFIX + base64.urlsafe_b64encode(body + _checksum(body)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Token:
        """Read a token; breaks of lines and spaces do not matter.

        Raises: BadToken, which says nothing of what is in it.
        """
        letters = "".join(text.split())
        if not letters.startswith(_PREFIX):
            raise BadToken(f"this is no invitation: one begins with {_PREFIX}")
        body = _decoded(letters.removeprefix(_PREFIX))
        if body[0] != _VERSION:
            raise BadToken("a newer ClawMatrix made this invitation: update this one")
        return _read(body)


def _decoded(letters: str) -> bytes:
    damaged = BadToken("the invitation is damaged or not whole: copy all of it once more")
    if len(letters) > _LIMIT or not re.fullmatch("[A-Za-z0-9_-]+", letters):
        raise damaged
    try:
        data = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
    except binascii.Error:
        raise damaged from None
    # Bits of the last letter that mean nothing must be 0, so that each token has one text.
    if base64.urlsafe_b64encode(data).decode().rstrip("=") != letters:
        raise damaged
    body, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if not body or checksum != _checksum(body):
        raise damaged
    return body


def _read(body: bytes) -> Token:
    wrong = BadToken("whoever made this invitation made it wrong")
    id_, secret, key = (body[at : at + size] for at, size in ((1, 8), (9, 32), (41, 32)))
    try:
        node_id, rest = _text(body[_FIXED:])
        addresses = []
        for _ in range(rest[0]):
            address, rest_ = _text(rest[1:])
            check_address(address)
            addresses.append(address)
            rest = rest[:1] + rest_
    except (IndexError, ValueError):
        raise wrong from None
    if len(rest) > 1 or not 0 < len(addresses) <= ADDRESSES_MOST or not is_node_id(node_id):
        raise wrong
    return Token(id_, secret, key, node_id, tuple(addresses))


def _text(data: bytes) -> tuple[str, bytes]:
    """Return a text with a byte of its length before it, and what is behind. Raises: ValueError."""
    size = data[0]
    if len(data) <= size:
        raise ValueError("it ends early")
    return data[1 : 1 + size].decode(), data[1 + size :]


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(_LABEL + body).digest()[:_CHECKSUM]
