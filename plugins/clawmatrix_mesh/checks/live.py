"""What the mesh plugin can look at while its node runs: it has been trying all the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.kernel.contributions import Check, Finding
from clawmatrix_mesh.checks.advice import advice_for
from clawmatrix_mesh.checks.clocks import look_at_clocks
from clawmatrix_mesh.checks.keys import look_at_keys, look_at_own_key
from clawmatrix_mesh.times import utc_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_mesh.links.admission import RefusedConnection
    from clawmatrix_mesh.links.dialler import Attempt

__all__ = ["RECENT", "live_checks", "look_at_dials", "look_at_refused"]

RECENT = 900.0
"""Seconds for which a refusal is worth a look."""

_PEER = "mesh.peer"
_TOLD = frozenset({"wrong_secret", "twin", "version", "pin_conflict", "revoked"})
"""Reasons that a member has; others are those of strangers, whom every open port gets."""


def live_checks(
    node: Node,
    *,
    listening: Iterable[str],
    attempts: Callable[[], Iterable[Attempt]],
    refused: Callable[[], Iterable[RefusedConnection]],
) -> list[Check]:
    """Return the checks of a node that runs."""

    async def listen() -> Sequence[Finding]:
        bound = ", ".join(listening)
        if not bound:
            return [Finding("mesh.listen", "skipped", "this node only dials")]
        return [Finding("mesh.listen", "ok", f"listens at {bound}")]

    async def peers() -> Sequence[Finding]:
        linked = frozenset(map(str, node.links))
        return [
            *look_at_dials(attempts(), linked),
            *look_at_refused(refused(), node.clock.wall()),
        ]

    async def clocks() -> Sequence[Finding]:
        told = {peer: link.ahead for peer, link in node.links.items()}
        return list(look_at_clocks({p: ahead for p, ahead in told.items() if ahead is not None}))

    async def keys() -> Sequence[Finding]:
        return [*look_at_own_key(node), *look_at_keys(node.trust.conflicts())]

    return [
        Check("mesh.listen", listen),
        Check(_PEER, peers),
        Check("mesh.clock", clocks),
        Check("mesh.keys", keys),
    ]


def look_at_dials(attempts: Iterable[Attempt], linked: frozenset[str]) -> Iterator[Finding]:
    """Yield what became of each address that is dialled."""
    none = True
    for attempt in attempts:
        none = False
        address = attempt.address
        if attempt.node_id in linked and not attempt.error:
            yield Finding(_PEER, "ok", f"{address}: linked to {attempt.node_id}")
        elif attempt.error:
            advice = advice_for(attempt.reason)
            yield Finding(_PEER, "problem", f"{address}: {attempt.error}", advice)
        else:
            detail = f"{address}: there is no link yet, and no answer"
            yield Finding(_PEER, "warning", detail, "look again in a moment")
    if none:
        yield Finding(_PEER, "skipped", "there are no addresses in [mesh] peers")


def look_at_refused(refused: Iterable[RefusedConnection], now: float) -> Iterator[Finding]:
    """Yield who was refused lately for a reason that only members have."""
    for one in refused:
        if one.reason in _TOLD and now - one.last < RECENT:
            times = f"{one.count} times, last {utc_words(int(one.last * 1000))}"
            detail = f"refused: {one.message} ({times})"
            yield Finding("mesh.refused", "problem", detail, advice_for(one.reason))
