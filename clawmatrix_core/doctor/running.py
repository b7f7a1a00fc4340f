"""Running checks: each within its time, none of them touched by another's fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core.base.as_list import as_list
from clawmatrix_core.base.redaction import redact
from clawmatrix_core.kernel.contributions import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CHECK_LIMIT", "finding_from_json", "finding_json", "run_checks"]

CHECK_LIMIT = 20.0
"""Seconds a check may take."""
_AT_ONCE = 16


async def run_checks(checks: Iterable[Check], *, limit: float = CHECK_LIMIT) -> list[Finding]:
    """Return what all checks found, in their order; secrets are left out of it."""
    checks = list(checks)
    found: list[Sequence[Finding]] = [()] * len(checks)
    limiter = anyio.CapacityLimiter(_AT_ONCE)

    async def run(number: int, check: Check) -> None:
        async with limiter:
            found[number] = await _run(check, limit)

    async with anyio.create_task_group() as tasks:
        for number, check in enumerate(checks):
            tasks.start_soon(run, number, check)
    return [_clean(finding) for findings in found for finding in findings]


async def _run(check: Check, limit: float) -> Sequence[Finding]:
    why = f"the check took over {limit:g} s"
    try:
        with anyio.move_on_after(limit):
            return [_sound(finding) for finding in as_list(await check.run())]
    except Exception as error:  # noqa: BLE001 - one check's fault must not hide the others
        why = f"the check itself failed: {type(error).__name__}: {error}"
    return [Finding(check.name, "problem", why, "tell who wrote the plugin")]


def _sound(finding: object) -> Finding:
    if not isinstance(finding, Finding):
        raise TypeError(f"gave a {type(finding).__name__}, not a Finding")
    return finding


def _clean(finding: Finding) -> Finding:
    advice = None if finding.advice is None else redact(finding.advice)
    return attrs.evolve(finding, detail=redact(finding.detail), advice=advice)


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as ``doctor --json`` has it."""
    return attrs.asdict(finding)


def finding_from_json(value: dict[str, Any]) -> Finding:
    """Return the finding that a node of any version told of."""
    return Finding(value["name"], value["status"], value["detail"], value.get("advice"))
