"""Running checks: each within its time, none of them touched by another's fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import anyio
import attrs

from clawmatrix_core.base.as_list import as_list
from clawmatrix_core.base.cancellation import stray
from clawmatrix_core.base.redaction import redact
from clawmatrix_core.loading.contributions import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["CHECK_LIMIT", "finding_from_json", "finding_json", "run_checks"]

CHECK_LIMIT = 20.0
"""Seconds a check may take."""
_AT_ONCE = 16
_STATUSES = get_args(get_type_hints(Finding)["status"])


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
            return [_checked(finding) for finding in as_list(await check.run())]
    except BaseException as error:  # one check's fault must not hide the others
        if (fault := stray(error)) is None:
            raise
        why = f"the check itself failed: {type(fault).__name__}: {fault}"
    owner = f"plugin {check.plugin}: " if check.plugin else ""
    return [Finding(str(check.name), "problem", f"{owner}{why}", "tell who wrote the plugin")]


def _checked(finding: object) -> Finding:
    if not isinstance(finding, Finding):
        raise TypeError(f"gave a {type(finding).__name__}, not a Finding")
    if finding.status not in _STATUSES:
        raise ValueError(f"gave the status {finding.status!r}, not one of {', '.join(_STATUSES)}")
    texts = (finding.name, finding.detail, finding.advice or "")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("gave a finding whose name, detail or advice is no text")
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
