"""The ``[relay]`` table."""

from __future__ import annotations

import attrs

from clawmatrix_core import ByteSize, option

__all__ = ["RelayConfig"]


@attrs.frozen
class RelayConfig:
    """What this node does for frames between others."""

    transit: bool = option(
        default=True,
        doc="Whether frames between other nodes may pass through this one.",
        reload=True,
    )
    origin_frames: int = option(
        default=200_000,
        doc="Frames in a second that are relayed for one node; more are dropped, and it is told.",
        validator=attrs.validators.ge(1),
        reload=True,
    )
    origin_bytes: ByteSize = option(
        default=ByteSize(4 * 1024**3),
        doc="Bytes in a second that are relayed for one node.",
        validator=attrs.validators.ge(1),
        reload=True,
    )
    frames: int | None = option(
        default=None,
        shown="no limit",
        doc="Frames in a second that are relayed for all nodes together.",
        validator=attrs.validators.optional(attrs.validators.ge(1)),
        reload=True,
    )
    bytes: ByteSize | None = option(
        default=None,
        shown="no limit",
        doc="Bytes in a second that are relayed for all nodes together.",
        validator=attrs.validators.optional(attrs.validators.ge(1)),
        reload=True,
    )
