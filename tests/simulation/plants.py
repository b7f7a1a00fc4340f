"""Bugs to plant, each with what catches it: docs/simulation.md has the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import attrs

import clawmatrix_core.members.directory
import clawmatrix_mesh.links.neighbours
import clawmatrix_relay.graph
import clawmatrix_relay.transit
from clawmatrix_core.exchange.endpoint import Endpoint
from clawmatrix_core.exchange.late_frames import LateFrames
from clawmatrix_core.exchange.sending import Sending
from clawmatrix_core.exchange.windows import FRAME_COST, Inbox, Outbox
from clawmatrix_core.members.revocations import Revocations
from clawmatrix_core.sessions.session import ReplayWindow, Session
from clawmatrix_core.sessions.sessions import Sessions
from clawmatrix_core.sessions.table import SessionTable
from clawmatrix_mesh.links.duplicates import Facts, LinkChoice
from tests.simulation.scenarios import all_dial_all, ring_of_routes, survive
from tests.simulation.trials import (
    all_goes_well,
    cut_off,
    held_back,
    left_early,
    lost_in_quiet,
    one_suffers,
    played_again,
    restarted,
    revoked,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.errors import ExchangeError
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.members.directory import NodeRecord
    from clawmatrix_core.sessions.table import Kept

__all__ = ["PLANTS", "Plant"]

T = TypeVar("T")


def cost_by_one_end(there: float | None, back: float | None) -> int | None:
    """Believe in a link that only one of its ends still lists."""
    told = back if there is None else there
    return None if told is None else round(told * clawmatrix_relay.graph.PER_MS)


def keep_the_ttl(message: bytes, ttl: int) -> bytes:
    """Pass a frame on as if it had just begun its way."""
    return message


def is_older(record: NodeRecord, known: NodeRecord | None) -> bool:
    """Let the stale record win."""
    return known is None or record.age < known.age


def prefer_ones_own(old: Facts, new: Facts, **_: Any) -> LinkChoice:
    """Keep the link that this end dialled: so does the other end, and both links go."""
    return LinkChoice.NEW if new.dialled else LinkChoice.OLD


def deliver_repeats(
    self: Inbox[T],
    seq: int,
    item: T,
    size: int,
    *,
    fin: bool,
    honest: Callable[..., list[tuple[T, int]]] = Inbox.receive,
) -> list[tuple[T, int]]:
    """Give the reader what it has had before."""
    if seq < self.expected and not self.ended:
        return [(item, size + FRAME_COST)]
    return honest(self, seq, item, size, fin=fin)


def deliver_at_once(self: Inbox[T], seq: int, item: T, size: int, *, fin: bool) -> list[Any]:
    """Give the reader each frame as it comes, whatever its number."""
    if seq < self.expected or self.ended:
        return []
    self.expected, self.ended = seq + 1, fin
    return [(item, size + FRAME_COST)]


def take_anything(self: ReplayWindow, counter: int) -> bool:
    """Open a body however often it comes."""
    return True


def never_too_late(self: Session, now: float) -> None:
    """Open a body that somebody held back until its exchange was forgotten."""


def repeat_a_counter(
    self: Session,
    line: bytes,
    plaintext: bytes,
    honest: Callable[[Session, bytes, bytes], bytes] = Session.seal,
) -> bytes:
    """Seal two bodies of a session under one counter."""
    if self._counter == 9:
        self._counter = 8
        self.sealed_bytes += 1  # as if nothing was
        body = honest(self, line, plaintext)
        self._counter = 10
        return body
    return honest(self, line, plaintext)


def remember_nothing(self: LateFrames, *_: object, **__: object) -> None:
    """Forget an exchange as soon as it is over: its opening frame, sent again by another route
    and then coming by the first one too, is a new request."""


def keep_the_last_frame(self: Outbox, honest: Callable[[Outbox], None] = Outbox.rewind) -> None:
    """Do not send again what ends a direction."""
    if self.unacked > 1 or not self.closed:
        honest(self)


def answer_no_probe(
    self: Sending, *, answer: bool = False, honest: Callable[[Sending], None] = Sending.send_credit
) -> None:
    """Give credit when it falls due, not to one who asks since something was lost."""
    if not answer:
        honest(self)


def ask_nothing(self: Sending, *, known: bool) -> None:
    """Wait for a silent other end, and do not ask it."""


def take_a_cancel_silently(
    self: Endpoint, seq: int, honest: Callable[[Endpoint, int], None] = Endpoint._on_cancel
) -> None:
    """Stop the work, and do not acknowledge that."""
    self.sending.send_credit = lambda **_: None  # type: ignore[method-assign]
    honest(self, seq)


def let_the_handler_be(self: Endpoint, error: ExchangeError) -> None:
    """Take a cancel, and let the work go on."""
    self._fail(error)
    self.receiving.stop()


def drop_the_old_keys(
    self: SessionTable,
    new: Kept,
    honest: Callable[[SessionTable, Kept], None] = SessionTable.prefer,
) -> None:
    """Drop the session before as soon as there is a new one, and what is on its way with it."""
    honest(self, new)
    peer = new.session.peer
    self.drop_where(lambda kept: kept.session.peer == peer and kept is not new)


def keep_old_sessions(self: Sessions, peer: NodeId, instance: str) -> None:
    """Keep the keys that were made with an earlier run of a node."""


def know_of_none(self: Revocations, key: bytes) -> None:
    """Take every key for a member's, whatever was said of it."""


def claim_innocence(self: Endpoint) -> bool:
    """Say that the far side cannot have begun, whatever went out."""
    return False


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and what catches it, with which seeds."""

    owner: object
    name: str
    bug: Callable[..., object]
    caught_by: Callable[[int], None]
    seeds: tuple[int, ...] = (2,)
    is_property: bool = False

    @property
    def put(self) -> object:
        """What is put in the place of the honest thing."""
        return property(self.bug) if self.is_property else self.bug


PLANTS = {
    "an edge that one end lists": Plant(
        clawmatrix_relay.graph, "cost", cost_by_one_end, survive, (6, 0, 14)
    ),
    "no ttl": Plant(clawmatrix_relay.transit, "with_ttl", keep_the_ttl, ring_of_routes),
    "a stale record wins": Plant(
        clawmatrix_core.members.directory, "is_newer", is_older, survive, (6, 0)
    ),
    "both ends close a double link": Plant(
        clawmatrix_mesh.links.neighbours, "choose", prefer_ones_own, all_dial_all
    ),
    "repeats are delivered": Plant(Inbox, "receive", deliver_repeats, survive, (6, 0)),
    "no order": Plant(Inbox, "receive", deliver_at_once, one_suffers("data", 40, "late")),
    "no replay window": Plant(ReplayWindow, "is_fresh", take_anything, played_again),
    "a body may be as late as it likes": Plant(Session, "tick", never_too_late, held_back),
    "a counter is used twice": Plant(Session, "seal", repeat_a_counter, all_goes_well),
    "a repeat is taken for a new request": Plant(
        LateFrames, "remember", remember_nothing, one_suffers("opening", 5, "late")
    ),
    "the last frame is not sent again": Plant(
        Outbox, "rewind", keep_the_last_frame, lost_in_quiet("last")
    ),
    "a probe is not answered": Plant(
        Sending, "send_credit", answer_no_probe, lost_in_quiet("data")
    ),
    "nobody asks what has arrived": Plant(Sending, "probe", ask_nothing, lost_in_quiet("last")),
    "a cancel is not acknowledged": Plant(
        Endpoint, "_on_cancel", take_a_cancel_silently, left_early
    ),
    "a handler outlives its cancel": Plant(Endpoint, "_stop", let_the_handler_be, all_goes_well),
    "new keys drop what is on its way": Plant(
        SessionTable, "prefer", drop_the_old_keys, all_goes_well
    ),
    "sessions outlive the run they were made with": Plant(
        Sessions, "forget", keep_old_sessions, restarted
    ),
    "a revoked node is let in": Plant(Revocations, "get", know_of_none, revoked),
    "an error denies that anything has begun": Plant(
        Endpoint, "may_have_begun", claim_innocence, cut_off, is_property=True
    ),
}
"""The planted bugs, by their names."""
