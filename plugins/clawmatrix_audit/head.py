"""The head of a chain: the number and hash of its last line, signed by its node. No I/O."""

from __future__ import annotations

import base64
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clawmatrix_core import NodeId, is_node_id

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HEAD", "Head"]

HEAD: Final = 1024
"""Bytes that a head has at most."""
_LABEL = b"clawmatrix audit head v1\0"


@attrs.frozen
class Head:
    """Says what the last line of a node's audit was at some time.

    Attributes:
        chain: the word for the chain, which a node keeps with its keys.
        node: the name of the node.
        n: the number of the line; 0 where there is none yet.
        digest: its hash, in hexadecimal.
        at: when it was signed, as a line has times.
        signature: 64 bytes, by the node's identity.
    """

    chain: str
    node: NodeId
    n: int
    digest: str
    at: str
    signature: bytes = attrs.field(default=b"", repr=False)

    def signed(self, sign: Callable[[bytes], bytes]) -> Head:
        """Return it with a signature."""
        return attrs.evolve(self, signature=sign(self._content()))

    def is_signed_by(self, public: bytes) -> bool:
        """Say whether the key with these 32 public bytes signed it."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(self.signature, self._content())
        except (InvalidSignature, ValueError):
            return False
        return True

    def encode(self) -> bytes:
        """Return it as JSON, of at most 1 KiB."""
        return self._encoded

    @cached_property  # those that are kept are written again with each one that comes
    def _encoded(self) -> bytes:
        signature = base64.b64encode(self.signature).decode()
        return msgspec.json.encode({**self._fields(), "signature": signature})

    @classmethod
    def decode(cls, data: bytes) -> Head:
        """Return the head that ``encode`` gave. Raises: ValueError."""
        if len(data) > HEAD:
            raise ValueError(f"has over {HEAD} bytes")
        try:
            found = msgspec.json.decode(data, type=_Written)
            signature = base64.b64decode(found.signature, validate=True)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            raise ValueError("is no head of an audit") from None
        if found.n < 0 or not is_node_id(found.node):
            raise ValueError("is no head of an audit")
        node = NodeId(found.node)
        return cls(found.chain, node, found.n, found.hash, found.at, signature)

    def _content(self) -> bytes:
        return _LABEL + msgspec.json.encode(list(self._fields().values()))

    def _fields(self) -> dict[str, str | int]:
        return {
            "chain": self.chain,
            "node": self.node,
            "n": self.n,
            "hash": self.digest,
            "at": self.at,
        }


class _Written(msgspec.Struct):
    chain: str
    node: str
    n: int
    hash: str
    at: str
    signature: str
