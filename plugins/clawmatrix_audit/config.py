"""The [audit] table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import Bound, ByteSize, Duration, option

if TYPE_CHECKING:
    from typing import Any

__all__ = ["SIZE", "AuditConfig"]

DAY: Final = 86_400.0
SIZE = Bound(
    1024**3,
    "bytes of all lines of the audit (`[audit] size`)",
    fed_by="a member",
    when_full="nothing more is served before old lines are dropped, or `size` is raised",
)


def _at_least_a_day(_: object, __: attrs.Attribute[Any], value: Duration) -> None:
    if value < DAY:
        raise ValueError("must be at least 1d")


def _at_least_a_mebibyte(_: object, __: attrs.Attribute[Any], value: ByteSize) -> None:
    if value < 1024**2:
        raise ValueError("must be at least 1 MiB")


@attrs.frozen
class AuditConfig:
    """The [audit] table: what this node writes down of the work that it does for others."""

    enabled: bool = option(
        default=True,
        doc="Whether each piece of work is written down before it begins; false goes without.",
    )
    keep: Duration = option(
        default=Duration(90 * DAY),
        shown='"90d"',
        doc="How long lines are kept; at least a day.",
        validator=_at_least_a_day,
        reload=True,
    )
    size: ByteSize = option(
        default=ByteSize(SIZE),
        shown='"1 GiB"',
        doc="How much room all lines may take. Where it is full, nothing more is served.",
        validator=_at_least_a_mebibyte,
        reload=True,
    )
