"""What the doctor says of commands. Values in, values out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clawmatrix_core import Finding
from clawmatrix_tool_proxy.exec.guarding.parts import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_tool_proxy.exec.config import ExecConfig
    from clawmatrix_tool_proxy.exec.parts_here import PartsHere

__all__ = ["CHECK", "findings_of"]

CHECK: Final = "tool-proxy.exec"


def findings_of(here: PartsHere, config: ExecConfig, refused: Mapping[str, str]) -> list[Finding]:
    """Return what there is to say.

    Args:
        here: what the machine lacks.
        config: what commands may use.
        refused: roots that no command may use, each with the reason.
    """
    if here.failure is not None:
        advice = "see to it; until then exec and shell are refused"
        return [Finding(CHECK, "problem", here.failure, advice)]
    found = [
        _missing(part, why, accepted=part in config.without) for part, why in here.missing.items()
    ]
    found += [_root(name, why) for name, why in sorted(refused.items())]
    if config.network is True:
        told = (
            "[tool-proxy.exec] network = true: commands reach every network that this machine does"
        )
        found.append(Finding(CHECK, "warning", told, "name hosts and ports, unless it is meant so"))
    held = ", ".join(part for part in PARTS if part not in here.missing)
    return [*found, Finding(CHECK, "ok", f"commands are held by {held}")]


def _missing(part: str, why: str, *, accepted: bool) -> Finding:
    told = f"this machine lacks {part} ({why}): {PARTS[part]}"
    if accepted:
        return Finding(CHECK, "warning", told, "you accepted that in [tool-proxy.exec] without")
    advice = (
        f'until then exec and shell are refused; where that is acceptable: without = ["{part}"]'
    )
    return Finding(CHECK, "problem", told, advice)


def _root(name: str, why: str) -> Finding:
    advice = "move what is the node's own out of the root, or take it from [tool-proxy.exec] roots"
    return Finding(CHECK, "problem", f"no command runs with the root {name}: {why}", advice)
