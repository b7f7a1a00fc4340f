"""Frames as the node handles them: for itself, and for another node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.wire.codec import Header, Wire
    from clawmatrix_core.wire.link import Link

__all__ = ["Frame", "Transit"]


class Frame(msgspec.Struct, frozen=True, eq=False):
    """A frame for this node, its body opened under a session with ``header.source``.

    Attributes:
        header: the header line, decoded.
        payload: the decoded JSON, or the bytes.
        link: the link that brought it, None for a frame that the node sent to itself.
        size: bytes of the payload on the wire.
        data: the bytes behind JSON that came with some, None where there were none.
        peer_key: the Ed25519 key of the session that it came under, 32 bytes: who has said it,
            whatever name stands in the header. It is never looked up by name.
    """

    header: Header
    payload: JSON
    link: Link | None
    size: int
    data: bytes | None = None
    peer_key: bytes = b""


class Transit(msgspec.Struct, frozen=True, eq=False):
    """A frame for another node, its body untouched."""

    wire: Wire
    header: Header
    link: Link
