"""What the doctor says of the audit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from clawmatrix_audit.config import AuditConfig
from clawmatrix_core import Finding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clawmatrix_core import Config

__all__ = ["Looked", "audit_check"]


@attrs.frozen
class Looked:
    """What a node that runs sees of its audit.

    Attributes:
        trouble: why nothing can be written, None where it can be.
        damage: what another hand did to files or lines, None where nothing was seen.
    """

    trouble: str | None
    damage: str | None = None


def audit_check(
    config: Config, look: Callable[[], Awaitable[Looked]] | None
) -> Callable[[], Awaitable[Sequence[Finding]]]:
    """Return what looks whether things are written down, and still there.

    ``look`` asks the node that runs; None where none does.
    """
    return partial(_look, config, look)


async def _look(config: Config, look: Callable[[], Awaitable[Looked]] | None) -> list[Finding]:
    if not config.section(AuditConfig).enabled:
        told = "[audit] enabled = false: nothing that this node does for others is written down"
        return [Finding("audit", "warning", told, "take that line out, unless it is meant so")]
    if look is None:
        return []
    found = await look()
    if found.trouble is not None:
        advice = "see to the disk; until then no tool, agent or resource is served"
        return [Finding("audit", "problem", found.trouble, advice)]
    if found.damage is not None:
        advice = "find out who did it; `clawmatrix audit verify` names each line"
        return [Finding("audit", "warning", found.damage, advice)]
    return [Finding("audit", "ok", "what this node does for others is written down first")]
