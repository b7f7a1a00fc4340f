"""A member's signed word that a key is no longer a member's, or is one again."""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_core.base.errors import RemoteProtocolError
from clawmatrix_core.base.node_id import is_node_id
from clawmatrix_core.members.identity import fingerprint, verify

if TYPE_CHECKING:
    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.members.identity import Identity

__all__ = ["REASON_LIMIT", "Revocation", "SignedRevocation"]

REASON_LIMIT = 200
"""Characters of words on why a node was revoked."""

_TEXT_LIMIT = 2048
_KEY = 32
_COUNT = 2**53
_LABEL = b"clawmatrix revocation v1\0"


class Revocation(msgspec.Struct, frozen=True, rename="camel"):
    """That a key is out, or with ``revoked`` false that it is in again.

    It is about the key: another node may come to have the name. ``at`` is in milliseconds
    since 1970, by the clock of the node ``by``, whose Ed25519 key is ``by_key``; of two
    about one key the later one holds.
    """

    node_id: str
    key: bytes
    by: str
    by_key: bytes
    at: int
    revoked: bool = True
    reason: str = ""

    @property
    def fingerprint(self) -> str:
        """The key as people compare it."""
        return fingerprint(self.key)

    @property
    def is_own(self) -> bool:
        """Whether a key says this of itself."""
        return self.by_key == self.key


@attrs.frozen
class SignedRevocation:
    """The text of a revocation as its author wrote it, and the signature over that text."""

    text: str
    signature: str

    @classmethod
    def make(cls, revocation: Revocation, identity: Identity) -> SignedRevocation:
        """Write and sign one."""
        text = msgspec.json.encode(revocation)
        signature = base64.b64encode(identity.sign(_LABEL + text)).decode()
        return cls(text.decode(), signature)

    @classmethod
    def from_wire(cls, value: JSON) -> SignedRevocation:
        """Take ``{"revocation": text, "sig": base64}``. Raises: RemoteProtocolError."""
        match value:
            case {"revocation": str(text), "sig": str(signature)}:
                if len(text.encode()) <= _TEXT_LIMIT and len(signature) <= 100:
                    return cls(text, signature)
        raise RemoteProtocolError("not a signed revocation", reason="bad_revocation")

    def to_wire(self) -> dict[str, str]:
        """Return the JSON object that travels."""
        return {"revocation": self.text, "sig": self.signature}

    def read(self) -> Revocation:
        """Return what it says, its signature not yet checked. Raises: RemoteProtocolError."""
        return self._read

    @cached_property
    def id(self) -> str:
        """A word for this one, as nodes and people name it: 16 hex digits."""
        return hashlib.sha256(self.signature.encode()).hexdigest()[:16]

    @property
    def order(self) -> tuple[int, str]:
        """What revocations of one key are ordered by; the higher one holds."""
        return (self.read().at, self.signature)

    @cached_property
    def _read(self) -> Revocation:
        try:
            revocation = msgspec.json.decode(self.text, type=Revocation)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            revocation = None
        if revocation is None or not _is_sound(revocation):
            raise RemoteProtocolError("a malformed revocation", reason="bad_revocation")
        return revocation

    def is_signed(self) -> bool:
        """Say whether the signature is by the key that it names as its author's."""
        try:
            signature = base64.b64decode(self.signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        return verify(self.read().by_key, signature, _LABEL + self.text.encode())


def _is_sound(revocation: Revocation) -> bool:
    return (
        is_node_id(revocation.node_id)
        and is_node_id(revocation.by)
        and len(revocation.key) == len(revocation.by_key) == _KEY
        and 0 <= revocation.at < _COUNT
        and len(revocation.reason) <= REASON_LIMIT
    )
