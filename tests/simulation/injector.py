"""Faults of single messages on a simulated network, aimed at what they are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.exchange.exchanges import EXCHANGE_TYPES

if TYPE_CHECKING:
    from random import Random

    from clawmatrix_core.wire.codec import Header

__all__ = ["ANY", "FAULTS", "HELD_BACK", "KINDS", "Injector", "kind_of"]

ANY = "any"
"""A kind of which every message is."""

KINDS = (
    "opening",
    "data",
    "last",
    "credit",
    "credits",
    "cancel",
    "error",
    "probe",
    "session_open",
    "session_accept",
    "session_proof",
    "rekey",
    "heartbeat",
    "records",
    "digest",
    "revocations",
    "undeliverable",
    "hello",
    "handshake",
)
"""What faults are aimed at. ``last`` ends a direction; ``rekey`` opens one more session."""

FAULTS: dict[str, tuple[float, ...]] = {
    "lost": (),
    "twice": (0.0, 0.0),
    "again": (0.0, 3.0),
    "late": (1.5,),
}
"""What can happen to a message: when each of its copies arrives, in seconds after its time."""
HELD_BACK = 130.0
"""Seconds after which nobody remembers an exchange that is over; ``held back`` is so late."""


@attrs.define
class _Aim:
    kind: str
    countdown: int
    fault: str


class Injector:
    """Lets single messages suffer, as a ``Tamper`` of the network asks it.

    Attributes:
        passed: how many messages came by, by kind.
        done: how many suffered, by kind and fault.
    """

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.done: Counter[tuple[str, str]] = Counter()
        self._aims: list[_Aim] = []
        self._met: set[frozenset[str]] = set()

    def aim(self, kind: str, number: int, fault: str) -> None:
        """Have a fault befall a message of a kind: the next where ``number`` is 1."""
        self._aims.append(_Aim(kind, number, fault))

    def aim_at_random(self, rng: Random) -> None:
        """Have some fault befall one of the next messages of some kind."""
        self.aim(rng.choice(KINDS), rng.randint(1, 6), rng.choice(tuple(FAULTS)))

    def rest(self) -> None:
        """Let what has not befallen anything never do so."""
        self._aims.clear()

    def fate(self, source: str, target: str, header: Header | None) -> tuple[float, ...]:
        """Say what becomes of a message, given the header if it is a frame."""
        kind = self._kind(frozenset((source, target)), header)
        self.passed[kind] += 1
        hit: _Aim | None = None
        for one in self._aims:
            if one.kind in (kind, ANY):
                one.countdown -= 1
                hit = one if one.countdown <= 0 else hit
        if hit is None:
            return (0.0,)
        self._aims.remove(hit)
        self.done[kind, hit.fault] += 1
        return (HELD_BACK,) if hit.fault == "held back" else FAULTS[hit.fault]

    def _kind(self, neighbours: frozenset[str], header: Header | None) -> str:
        if header is None:
            return "handshake"
        kind, pair = kind_of(header), frozenset((header.source, header.to))
        if kind == "session_accept":
            self._met.add(pair)
        # Neighbours have the session of their link before they open one.
        known = pair in self._met or pair == neighbours
        return "rekey" if kind == "session_open" and known else kind


def kind_of(header: Header) -> str:
    """Return what a frame is, in one word of KINDS or, where none fits, its type."""
    if header.type == "data":
        return "last" if header.fin else "data"
    if header.id and header.body == "sealed" and header.type not in EXCHANGE_TYPES:
        return "opening"
    return "heartbeat" if header.type == "heartbeat_ack" else header.type
