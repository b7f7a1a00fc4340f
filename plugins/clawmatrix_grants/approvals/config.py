"""The [approvals] table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_core import Duration, option
from clawmatrix_grants.approvals.table import LONGEST

if TYPE_CHECKING:
    from typing import Any

__all__ = ["ApprovalsConfig"]


def _a_week_at_most(_: object, __: attrs.Attribute[Any], value: Duration) -> None:
    if not 0 < value <= LONGEST:
        raise ValueError("must be over 0 and at most 7d")


@attrs.frozen
class ApprovalsConfig:
    """The [approvals] table: how long calls wait for a person of this node."""

    wait: Duration = option(
        default=Duration(300.0),
        shown='"5m"',
        doc="How long a call waits for a person before it ends with `approval_pending`.",
        reload=True,
    )
    expires: Duration = option(
        default=Duration(3600.0),
        shown='"1h"',
        doc="How long a call can be approved, and how long an approval or a refusal then counts.",
        validator=_a_week_at_most,
        reload=True,
    )
