"""What the doctor says of the audit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from clawmatrix_audit.config import AuditConfig
from clawmatrix_core import Finding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clawmatrix_core import Config

__all__ = ["audit_check"]


def audit_check(
    config: Config, trouble: Callable[[], str | None] | None
) -> Callable[[], Awaitable[Sequence[Finding]]]:
    """Return what looks whether things are written down.

    ``trouble`` says why they are not, in a node that runs; None where none does.
    """
    return partial(_look, config, trouble)


async def _look(config: Config, trouble: Callable[[], str | None] | None) -> list[Finding]:
    if not config.section(AuditConfig).enabled:
        told = "[audit] enabled = false: nothing that this node does for others is written down"
        return [Finding("audit", "warning", told, "take that line out, unless it is meant so")]
    if trouble is None:
        return []
    if (why := trouble()) is not None:
        advice = "see to the disk; until then no tool, agent or resource is served"
        return [Finding("audit", "problem", why, advice)]
    return [Finding("audit", "ok", "what this node does for others is written down first")]
