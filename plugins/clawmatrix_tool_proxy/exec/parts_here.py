"""Which parts of the confinement this machine has: a guard tries them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_tool_proxy.exec.commands import GuardLost, NotStarted, ask_guard

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from clawmatrix_tool_proxy.exec.guards import Guards
    from clawmatrix_tool_proxy.exec.jobs import Jobs

__all__ = ["PartsHere", "parts_here", "refused_roots"]


@attrs.frozen
class PartsHere:
    """What this machine lacks.

    Attributes:
        missing: the missing parts by name, each with its reason.
        failure: why no guard works here at all, None where guards do.
    """

    missing: Mapping[str, str]
    failure: str | None = None

    def refused_by(self, accepted: Collection[str]) -> list[str]:
        """Return the missing parts whose absence is not accepted."""
        return [part for part in self.missing if part not in accepted]

    def refusal(self, accepted: Collection[str]) -> str | None:
        """Return why no command runs here, None where commands do."""
        if self.failure is not None:
            return self.failure
        parts = self.refused_by(accepted)
        if not parts:
            return None
        told = "; ".join(f"{part} ({self.missing[part]})" for part in parts)
        return f"this machine lacks {told}"


async def parts_here(guards: Guards, jobs: Jobs) -> PartsHere:
    """Have a guard try all parts, in a process that it ends afterwards."""
    try:
        told = await ask_guard(guards, jobs.probe())
    except (NotStarted, GuardLost, OSError) as error:
        return PartsHere({}, f"no guard works here: {error}")
    return PartsHere(dict(told["missing"]))


async def refused_roots(guards: Guards, jobs: Jobs, here: PartsHere) -> Mapping[str, str]:
    """Return the roots that no command may use, each with the reason.

    Each is tried alone, with what the machine lacks left out.
    """
    refused = {}
    for name, job in (await jobs.probes_of_roots()).items():
        try:
            await ask_guard(guards, job._replace(without=tuple(here.missing)))
        except (NotStarted, GuardLost) as error:
            refused[name] = str(error)
    return refused
