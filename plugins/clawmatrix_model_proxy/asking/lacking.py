"""What is made of knowing that a target lacks something: others are asked first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy.request_body import member_names
from clawmatrix_model_proxy.streams.formats import SIDE_CALLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_model_proxy.asking.health import Target
    from clawmatrix_model_proxy.faults import AttemptFault
    from clawmatrix_model_proxy.lacks import Lacks
    from clawmatrix_model_proxy.streams.formats import Format

__all__ = ["lacking_last", "note_heard", "note_lack"]

_NEEDED = frozenset({"model", "messages", "input", "prompt", "contents", "stream"})
"""Members that nearly every request has: whatever was wrong with one, the next may be right."""
_NAME_LIMIT = 64


def lacking_last(
    lacks: Lacks[Target], targets: Sequence[Target], format: Format, body: bytes
) -> list[Target]:
    """Return targets with those at the end that lack something which a request needs.

    They are still asked where no other is left.
    """
    known = {target: lacks.of(target) for target in targets}
    names = {name for told in known.values() for name in told}
    if not names:
        return list(targets)
    needed = {format.name}
    if any(map(_worth_knowing, names - SIDE_CALLS)):  # else the request need not be read
        needed.update(member_names(body))
    return sorted(targets, key=lambda target: not needed.isdisjoint(known[target]))


def note_lack(lacks: Lacks[Target], target: Target, fault: AttemptFault) -> None:
    """Remember what a target lacks by the fault of an attempt, if it does."""
    what = fault.lacks
    if fault.kind == "lacks" and what is not None and _worth_knowing(what):
        lacks.refused(target, what, str(fault.status))


def note_heard(lacks: Lacks[Target], target: Target, what: str) -> None:
    """Remember what a serving node says that its upstream lacks."""
    if 0 < len(what) <= _NAME_LIMIT and what.isprintable():
        lacks.refused(target, what, "as its node says", sure=True)


def _worth_knowing(what: str) -> bool:
    # What is within a member may be right in the next request.
    return what not in _NEEDED and len(what) <= _NAME_LIMIT and what.isidentifier()
