"""How far clocks are apart, and what that is worth saying. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["NOTICED", "TOO_FAR", "look_at_clocks"]

NOTICED = 5.0
"""Seconds by which a clock may be off before that is said."""
TOO_FAR = 60.0
"""Seconds from which it is a problem: what ends at a time, and what is the newest, goes wrong."""

_NAME = "mesh.clock"
_ADVICE = "set both clocks by a time server (NTP)"
_OWN = "set this machine's clock by a time server (NTP): all others differ from it in the same way"


def look_at_clocks(ahead: Mapping[str, float]) -> Iterator[Finding]:
    """Yield whose clock is off against this node's; ``ahead`` has seconds, by node."""
    off = {name: seconds for name, seconds in ahead.items() if abs(seconds) >= NOTICED}
    if not ahead:
        yield Finding(_NAME, "skipped", "no other node's clock is known")
    elif not off:
        worst = max(abs(seconds) for seconds in ahead.values())
        yield Finding(_NAME, "ok", f"within {max(worst, 0.1):.1f} s of the neighbours'")
    own = len(off) > 1 and len(off) == len(ahead) and _agree(list(off.values()))
    for name, seconds in sorted(off.items()):
        way = "ahead of" if seconds > 0 else "behind"
        detail = f"the clock of {name} is {abs(seconds):.0f} s {way} this node's"
        status = "problem" if abs(seconds) >= TOO_FAR else "warning"
        yield Finding(_NAME, status, detail, _OWN if own else _ADVICE)  # type: ignore[arg-type]


def _agree(seconds: list[float]) -> bool:
    return max(seconds) - min(seconds) < NOTICED
