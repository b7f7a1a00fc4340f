"""Which key belongs to which name, how that is known, and who else claimed the name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.members.accepting import accepted_pin, invited_pin
from clawmatrix_core.members.known_keys import FORGOTTEN, TRUST, KnownKeys
from clawmatrix_core.members.pins import (
    Conflict,
    Known,
    Pin,
    PinOutcome,
    PinState,
    TrustEntry,
    entry_of,
    introduced_pin,
    with_rival,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.state.folder import State

__all__ = ["Conflict", "Known", "PinOutcome", "PinState", "TrustEntry", "TrustStore"]

PROVISIONAL_MAX = Bound(
    10_000,
    "names that are known by hearsay alone",
    fed_by="a member",
    when_full="the name is taken in, but not kept, unless it is introduced",
)
PINNED_MAX = Bound(
    16_384,
    "names whose keys a handshake proved",
    fed_by="a member",
    when_full="the name is taken in, but not kept; names that a person accepts always are",
)
PAST_MAX = 16
"""Earlier keys that are remembered for one name."""
WRITE_INTERVAL = 10.0
"""Seconds between writes of what others can make this node write."""


class TrustStore(KnownKeys):
    """The pins of one node, kept in its state.

    Pins that were proved, and what people decide, are on disk when the call returns. What
    others can cause without end (names heard by gossip, conflicts) is written at once after
    a quiet time and else at most every 10 s: call ``flush`` when stopping.

    Attributes:
        mark: grows whenever a name came or went, got another key, proved itself, or is known
            otherwise.
        lost: what of the node's state was gone when it started, in sentences.

    Raises: StateError, where what is stored cannot be used.
    """

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.mark = 0
        self.lost: tuple[str, ...] = ()
        self._listeners: list[Callable[[NodeId], None]] = []
        self._rekeyed: list[Callable[[NodeId, bytes | None], None]] = []
        self._releveled: list[Callable[[NodeId], None]] = []
        self._changed = False
        self._written = float("-inf")

    def __repr__(self) -> str:
        return f"<TrustStore {len(self._pins)} names, {len(self.conflicts())} conflicts>"

    def check(self, node_id: NodeId, sign_public: bytes, *, proven: bool, now: float) -> PinOutcome:
        """Judge a key shown under a name, and remember it.

        ``proven`` says that a handshake showed it, else it is hearsay. A name not seen
        before is not kept where it is hearsay and the store is full. ``now`` is the wall
        clock in seconds since 1970.

        Raises: StateError, where it cannot be written; it is remembered all the same, and
            written with the next change.
        """
        pin = self._pins.get(node_id)
        if pin is None and not proven:
            pin = self._introduce_new(node_id, now)
        if pin is not None and pin.key == sign_public:
            if proven and pin.state is PinState.PROVISIONAL and self._may_pin():
                since = now if pin.proven is None else pin.proven
                self._put(node_id, replace(pin, state=PinState.PINNED, proven=since))
                self._write(now)
                self._hidden.remove(node_id)
            elif proven:
                self.note_proof(node_id, sign_public, now=now)
            return PinOutcome.KNOWN
        if pin is None or (proven and pin.state is PinState.PROVISIONAL):
            self._adopt(node_id, sign_public, pin, proven=proven, now=now)
            if proven:
                self._hidden.remove(node_id)
            return PinOutcome.NEW
        self._put(node_id, with_rival(pin, sign_public, proven=proven, now=now))
        self._write_soon(now)
        return PinOutcome.CONFLICT

    def note_proof(self, node_id: NodeId, sign_public: bytes, *, now: float) -> None:
        """Note that a session showed that whoever has a name has its key.

        A session counts for since when a name is known. It pins no key: that takes a link, or
        a person. Raises: StateError, where it cannot be written; see ``check``.
        """
        pin = self._pins.get(node_id)
        if pin is None or pin.key != sign_public:
            return
        self._hidden.remove(node_id)
        if pin.proven_since is None:
            self._put(node_id, replace(pin, proven=now))
            self._write_soon(now)

    def insist(self, node_id: NodeId, sign_public: bytes, *, now: float) -> None:
        """Know a name by a key that a token bound to it, whatever it was known by before.

        ``now`` is the wall clock in seconds since 1970.
        Raises: StateError, where it cannot be written.
        """
        self._put(node_id, invited_pin(self._pins.get(node_id), sign_public, now))
        self._write(now)
        self._hidden.remove(node_id)

    def succeed(self, node_id: NodeId, sign_public: bytes, *, now: float) -> None:
        """Let a name have another key, which the caller has seen the present one sign for.

        Raises: StateError, where it cannot be written.
        """
        pin = self._pins.stored[node_id]
        rivals = tuple(rival for rival in pin.rivals if rival.key != sign_public)
        past = (pin.key, *(key for key in pin.past if key != sign_public))[:PAST_MAX]
        taken = (pin.key, *pin.taken)[:PAST_MAX]
        new = replace(pin, key=sign_public, rivals=rivals, past=past, taken=taken)
        self._put(node_id, new)
        self._write(now)
        self._tell(node_id)

    def learn_past(
        self, node_id: NodeId, sign_public: bytes, past: tuple[bytes, ...], *, now: float
    ) -> None:
        """Note which keys a name had before its present one, the latest first.

        The caller has seen each of them sign for the next. Nothing is noted where the name
        has another key. Raises: StateError, where it cannot be written.
        """
        pin = self._pins.get(node_id)
        if pin is None or pin.key != sign_public:
            return
        known = (*past, *(key for key in pin.past if key not in past))[:PAST_MAX]
        if known != pin.past:
            self._put(node_id, replace(pin, past=known))
            self._write_soon(now)
            self._tell(node_id)

    def introduce(self, keys: Mapping[NodeId, bytes], *, now: float) -> list[NodeId]:
        """Have other keys introduced from now on, in the place of those before.

        A name that is known by hearsay alone gets the key that is introduced. A linked, invited
        or accepted key stays. Return the names that got another key. ``now`` is the wall clock
        in seconds since 1970. Raises: StateError, where it cannot be written.
        """
        before, self._introduced = self._introduced, dict(keys)
        changed = [name for name in {**before, **keys} if before.get(name) != keys.get(name)]
        rekeyed = [name for name in sorted(changed) if self._meet_introduction(name, now)]
        for name in changed:
            self._tell_releveled(name)
        if rekeyed:
            self._write_soon(now)
        return rekeyed

    def when_releveled(self, call: Callable[[NodeId], None]) -> None:
        """Have something called with each name whose key may be known otherwise than before."""
        self._releveled.append(call)

    def when_succeeded(self, call: Callable[[NodeId], None]) -> None:
        """Have something called with each name whose earlier keys became known."""
        self._listeners.append(call)

    def when_rekeyed(self, call: Callable[[NodeId, bytes | None], None]) -> None:
        """Have something called with each name that has another key now, and with that key.

        It is None where the name was forgotten.
        """
        self._rekeyed.append(call)

    def accept(self, node_id: NodeId, shown: str) -> TrustEntry:
        """Know a name by the key that a person compared: its present one, or one that was refused.

        ``shown`` is the beginning of the key's fingerprint, 20 letters at least, or all of its
        digits. Raises: LocalProtocolError, see ``accepted_pin``; StateError.
        """
        accepted = accepted_pin(node_id, self._pins.get(node_id), shown)
        self._put(node_id, accepted)
        self._write()
        return entry_of(node_id, accepted, self._level(node_id, accepted))

    def forget(self, node_id: NodeId) -> bool:
        """Remove what is known of a name; return False where nothing was.

        That it was a node's name stays known, where it had proved itself.
        """
        pin = self._pins.pop(node_id)
        if pin is None:
            return False
        self.mark += 1
        if pin.proven_since is not None:
            self._forgotten[node_id] = pin.proven_since
            self._state.write(FORGOTTEN, self._forgotten)
        elif node_id not in self._forgotten:
            self._pins.forget_spelling(node_id)
        self._tell_rekeyed(node_id, None)
        self._tell_releveled(node_id)
        self._write()
        return True

    def hide(self, node_id: NodeId, *, now: float) -> None:
        """List a name no more, until a link or a session proves it. Raises: StateError."""
        self._hidden.add(node_id, now=now)

    def flush(self) -> None:
        """Write what is not written yet. Raises: StateError."""
        if self._changed:
            self._write()

    def _adopt(
        self, node_id: NodeId, key: bytes, old: Pin | None, *, proven: bool, now: float
    ) -> None:
        if old is not None and self._introduced.get(node_id) == old.key:
            old = with_rival(old, old.key, proven=False, now=now)  # people are to see it
        rivals = () if old is None else tuple(rival for rival in old.rivals if rival.key != key)
        if proven and self._may_pin():
            self._put(node_id, Pin(key, PinState.PINNED, now, rivals, now))
            self._write(now)
        elif old is not None or (not proven and self._may_keep()):
            since = now if proven else None
            self._put(node_id, Pin(key, PinState.PROVISIONAL, now, rivals, since))
            self._write_soon(now)

    def _introduced_key(self, node_id: NodeId, known: Pin | None) -> bytes | None:
        """Return the introduced key of a name, where it takes the place of hearsay."""
        key = self._introduced.get(node_id)
        if key is None or (known is not None and known.state is PinState.PINNED):
            return None
        return None if self.is_retired(key) else key

    def _introduce_new(self, node_id: NodeId, now: float) -> Pin | None:
        """Give a new name of which there is hearsay its introduced key, where there is one.

        It is kept however much hearsay there is: introducers bound how many these are.
        """
        key = self._introduced_key(node_id, None)
        if key is None:
            return None
        self._put(node_id, Pin(key, PinState.PROVISIONAL, now))
        return self._pins.get(node_id)

    def _meet_introduction(self, node_id: NodeId, now: float) -> bool:
        """Give a name its introduced key in the place of hearsay; say whether it got another."""
        pin = self._pins.get(node_id)
        key = self._introduced_key(node_id, pin)
        if pin is None or key is None or key == pin.key:
            return False
        self._put(node_id, introduced_pin(pin, key, now))
        return True

    def _may_pin(self) -> bool:
        return self._pins.count(PinState.PINNED) < PINNED_MAX

    def _may_keep(self) -> bool:
        return self._pins.count(PinState.PROVISIONAL) < PROVISIONAL_MAX

    def _tell(self, node_id: NodeId) -> None:
        for listener in self._listeners:
            listener(node_id)

    def _tell_rekeyed(self, node_id: NodeId, key: bytes | None) -> None:
        for listener in self._rekeyed:
            listener(node_id, key)

    def _tell_releveled(self, node_id: NodeId) -> None:
        self.mark += 1
        for listener in self._releveled:
            listener(node_id)

    def _put(self, node_id: NodeId, pin: Pin) -> None:
        before = self._pins.get(node_id)
        level = None if before is None else self._level(node_id, before)
        if before is None or (before.key, before.proven_since) != (pin.key, pin.proven_since):
            self.mark += 1
        self._pins.put(node_id, pin)
        self._changed = True
        if before is not None and before.key != pin.key:
            self._tell_rekeyed(node_id, pin.key)
        if level not in (None, self._level(node_id, pin)):
            self._tell_releveled(node_id)

    def _write_soon(self, now: float) -> None:
        # Outside the interval on either side: a wall clock can be set back.
        if not 0 <= now - self._written < WRITE_INTERVAL:
            self._write(now)

    def _write(self, now: float | None = None) -> None:
        self._state.write(TRUST, self._pins.stored)
        self._changed = False
        if now is not None:
            self._written = now
