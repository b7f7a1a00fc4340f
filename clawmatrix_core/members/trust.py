"""Trust on first proof: which key belongs to which name, and who else claimed it."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import attrs
import msgspec

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import LocalProtocolError, StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import fingerprint
from clawmatrix_core.members.pins import (
    Conflict,
    Pin,
    PinOutcome,
    PinState,
    TrustEntry,
    conflict_of,
    entry_of,
    with_rival,
)
from clawmatrix_core.state.files import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from clawmatrix_core.state.folder import State

__all__ = ["Conflict", "PinOutcome", "PinState", "TrustEntry", "TrustStore"]

PROVISIONAL_MAX = Bound(
    10_000,
    "names that are known by hearsay alone",
    fed_by="a member",
    when_full="the name is taken in, but not kept",
)
PINNED_MAX = Bound(
    16_384,
    "names whose keys a handshake proved",
    fed_by="a member",
    when_full="the name is taken in, but not kept; names that a person accepts always are",
)
PREFIX_MIN = 4
"""Letters of a fingerprint that ``accept`` wants at least."""
PAST_MAX = 16
"""Earlier keys that are remembered for one name."""
WRITE_INTERVAL = 10.0
"""Seconds between writes of what others can make this node write."""

_FILE = "trust"
_FORGOTTEN = "forgotten"
_HIDDEN = "hidden"
_Stored = TypeVar("_Stored")


class TrustStore:
    """The pins of one node, kept in its state.

    Pins that were proved, and what people decide, are on disk when the call returns. What
    others can cause without end (names heard by gossip, conflicts) is written at once after
    a quiet time and else at most every 10 s: call ``flush`` when stopping.

    Attributes:
        mark: grows whenever a name came or went, got another key or proved itself.
        lost: what of the node's state was gone when it started, in sentences.

    Raises: StateError, where what is stored cannot be used.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.mark = 0
        self.lost: tuple[str, ...] = ()
        self._pins = _convert(state, _FILE, dict[NodeId, Pin])
        self._forgotten = _convert(state, _FORGOTTEN, dict[NodeId, float])
        self._hidden = _convert(state, _HIDDEN, dict[NodeId, float])
        self._alike: dict[str, set[NodeId]] = {}
        for name in (*self._pins, *self._forgotten):
            self._alike.setdefault(name.lower(), set()).add(name)
        self._states: Counter[PinState] = Counter()  # how many names are in each
        self._retired: Counter[bytes] = Counter()  # how many names had each key before
        for pin in self._pins.values():
            self._count(pin, 1)
        self._listeners: list[Callable[[NodeId], None]] = []
        self._rekeyed: list[Callable[[NodeId, bytes | None], None]] = []
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
        if pin is not None and pin.key == sign_public:
            if proven and pin.state is PinState.PROVISIONAL and self._may_pin():
                since = now if pin.proven is None else pin.proven
                self._put(node_id, attrs.evolve(pin, state=PinState.PINNED, proven=since))
                self._write(now)
                self._show(node_id)
            elif proven:
                self.note_proof(node_id, sign_public, now=now)
            return PinOutcome.KNOWN
        if pin is None or (proven and pin.state is PinState.PROVISIONAL):
            self._adopt(node_id, sign_public, pin, proven=proven, now=now)
            if proven:
                self._show(node_id)
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
        self._show(node_id)
        if pin.proven_since is None:
            self._put(node_id, attrs.evolve(pin, proven=now))
            self._write_soon(now)

    def insist(self, node_id: NodeId, sign_public: bytes, *, now: float) -> None:
        """Know a name by a proved key, whatever it was known by before.

        For a key that a person vouched for. ``now`` is the wall clock in seconds since 1970.
        Raises: StateError, where it cannot be written.
        """
        if self.check(node_id, sign_public, proven=True, now=now) is PinOutcome.CONFLICT:
            self.accept(node_id, fingerprint(sign_public))

    def succeed(self, node_id: NodeId, sign_public: bytes, *, now: float) -> None:
        """Let a name have another key, which the caller has seen the present one sign for.

        Raises: StateError, where it cannot be written.
        """
        pin = self._pins[node_id]
        rivals = tuple(rival for rival in pin.rivals if rival.key != sign_public)
        past = (pin.key, *(key for key in pin.past if key != sign_public))[:PAST_MAX]
        self._put(node_id, attrs.evolve(pin, key=sign_public, rivals=rivals, past=past))
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
            self._put(node_id, attrs.evolve(pin, past=known))
            self._write_soon(now)
            self._tell(node_id)

    def keys(self, node_id: NodeId) -> tuple[bytes, ...]:
        """Return a name's key and then its earlier ones, the latest first."""
        pin = self._pins.get(node_id)
        return () if pin is None else (pin.key, *pin.past)

    def names_of(self, keys: Container[bytes]) -> dict[bytes, list[NodeId]]:
        """Return the names that have, or had, each of these keys."""
        found: dict[bytes, list[NodeId]] = {}
        for name, pin in self._pins.items():
            for key in (pin.key, *pin.past):
                if key in keys:
                    found.setdefault(key, []).append(NodeId(name))
        return found

    def is_retired(self, sign_public: bytes) -> bool:
        """Say whether a key gave its name over to another key."""
        return sign_public in self._retired

    def when_succeeded(self, call: Callable[[NodeId], None]) -> None:
        """Have something called with each name whose earlier keys became known."""
        self._listeners.append(call)

    def when_rekeyed(self, call: Callable[[NodeId, bytes | None], None]) -> None:
        """Have something called with each name that has another key now, and with that key.

        It is None where the name was forgotten.
        """
        self._rekeyed.append(call)

    def get(self, node_id: NodeId) -> TrustEntry | None:
        """Return what is known of a name."""
        pin = self._pins.get(node_id)
        return None if pin is None else entry_of(node_id, pin)

    def proven_since(self, node_id: NodeId) -> float | None:
        """Return when a name first proved itself here, in seconds since 1970; None for never."""
        pin = self._pins.get(node_id)
        return None if pin is None else pin.proven_since

    def is_forgotten(self, node_id: NodeId) -> bool:
        """Say whether a person forgot a name that had proved itself."""
        return node_id in self._forgotten

    def alike(self, word: str) -> list[NodeId]:
        """Return the names, and forgotten ones, that a word in lower case is but for case."""
        return sorted(self._alike.get(word, ()))

    def acquaintance(self, node_id: NodeId, sign_public: bytes) -> tuple[bool, float]:
        """Return whether a name's key was proved here, and when it was first seen.

        In seconds since 1970; infinite for a key that is not the name's.
        """
        pin = self._pins.get(node_id)
        if pin is None or pin.key != sign_public:
            return False, math.inf
        return pin.state is PinState.PINNED, pin.first_seen

    def entries(self) -> list[TrustEntry]:
        """Return all names, sorted."""
        return [entry_of(NodeId(node_id), pin) for node_id, pin in sorted(self._pins.items())]

    def conflicts(self) -> list[Conflict]:
        """Return all conflicts, sorted by name and then the latest first."""
        return [
            conflict_of(NodeId(node_id), rival)
            for node_id, pin in sorted(self._pins.items())
            for rival in sorted(pin.rivals, key=lambda rival: -rival.last_seen)
        ]

    def accept(self, node_id: NodeId, prefix: str) -> TrustEntry:
        """Give the name to the one conflicting key whose fingerprint begins with the prefix.

        For a node that was installed again. Case, hyphens and spaces do not matter.
        Raises: LocalProtocolError, where not exactly one conflict matches.
        """
        wanted = _plain(prefix)
        if len(wanted) < PREFIX_MIN:
            raise LocalProtocolError(f"{PREFIX_MIN} letters of the fingerprint are needed")
        pin = self._pins.get(node_id)
        rivals = () if pin is None else pin.rivals
        matching = [rival for rival in rivals if _plain(fingerprint(rival.key)).startswith(wanted)]
        if len(matching) != 1:
            found = "no conflict" if not matching else f"{len(matching)} conflicts"
            raise LocalProtocolError(f"{found} of {node_id} with a fingerprint {prefix}")
        [chosen] = matching
        rest = tuple(rival for rival in rivals if rival is not chosen)
        since = None if pin is None else pin.proven_since
        accepted = Pin(chosen.key, PinState.PINNED, chosen.first_seen, rest, since)
        self._put(node_id, accepted)
        self._write()
        return entry_of(node_id, accepted)

    def forget(self, node_id: NodeId) -> bool:
        """Remove what is known of a name; return False where nothing was.

        That it was a node's name stays known, where it had proved itself.
        """
        pin = self._pins.pop(node_id, None)
        if pin is None:
            return False
        self.mark += 1
        self._count(pin, -1)
        if pin.proven_since is not None:
            self._forgotten[node_id] = pin.proven_since
            self._state.write(_FORGOTTEN, self._forgotten)
        elif node_id not in self._forgotten:
            alike = self._alike[node_id.lower()]
            alike.discard(node_id)
            if not alike:
                del self._alike[node_id.lower()]
        self._tell_rekeyed(node_id, None)
        self._write()
        return True

    def hide(self, node_id: NodeId, *, now: float) -> None:
        """List a name no more, until a link or a session proves it. Raises: StateError."""
        self._hidden[node_id] = now
        self._state.write(_HIDDEN, self._hidden)

    def hidden(self) -> list[NodeId]:
        """Return the names that are not listed, sorted."""
        return sorted(map(NodeId, self._hidden))

    def is_hidden(self, node_id: NodeId) -> bool:
        """Say whether a name is not listed."""
        return node_id in self._hidden

    def _show(self, node_id: NodeId) -> None:
        if self._hidden.pop(node_id, None) is not None:
            self._state.write(_HIDDEN, self._hidden)

    def flush(self) -> None:
        """Write what is not written yet. Raises: StateError."""
        if self._changed:
            self._write()

    def _adopt(
        self, node_id: NodeId, key: bytes, old: Pin | None, *, proven: bool, now: float
    ) -> None:
        rivals = () if old is None else tuple(rival for rival in old.rivals if rival.key != key)
        if proven and self._may_pin():
            self._put(node_id, Pin(key, PinState.PINNED, now, rivals, now))
            self._write(now)
        elif old is not None or (not proven and self._may_keep()):
            since = now if proven else None
            self._put(node_id, Pin(key, PinState.PROVISIONAL, now, rivals, since))
            self._write_soon(now)

    def _may_pin(self) -> bool:
        return self._states[PinState.PINNED] < PINNED_MAX

    def _may_keep(self) -> bool:
        return self._states[PinState.PROVISIONAL] < PROVISIONAL_MAX

    def _tell(self, node_id: NodeId) -> None:
        for listener in self._listeners:
            listener(node_id)

    def _tell_rekeyed(self, node_id: NodeId, key: bytes | None) -> None:
        for listener in self._rekeyed:
            listener(node_id, key)

    def _put(self, node_id: NodeId, pin: Pin) -> None:
        before = self._pins.get(node_id)
        if before is None or (before.key, before.proven_since) != (pin.key, pin.proven_since):
            self.mark += 1
        self._alike.setdefault(node_id.lower(), set()).add(node_id)
        if before is not None:
            self._count(before, -1)
        self._count(pin, 1)
        self._pins[node_id] = pin
        self._changed = True
        if before is not None and before.key != pin.key:
            self._tell_rekeyed(node_id, pin.key)

    def _count(self, pin: Pin, by: int) -> None:
        self._states[pin.state] += by
        for key in pin.past:
            self._retired[key] += by
            if not self._retired[key]:
                del self._retired[key]

    def _write_soon(self, now: float) -> None:
        # Outside the interval on either side: a wall clock can be set back.
        if not 0 <= now - self._written < WRITE_INTERVAL:
            self._write(now)

    def _write(self, now: float | None = None) -> None:
        self._state.write(_FILE, self._pins)
        self._changed = False
        if now is not None:
            self._written = now


def _convert(state: State, file: str, kind: type[_Stored]) -> _Stored:
    stored = state.read(file)
    try:
        return msgspec.convert({} if stored is None else stored, kind)
    except msgspec.ValidationError as error:
        raise StateError(f"{state.locate(file)} is damaged: {error}; {DAMAGED}") from None


def _plain(text: str) -> str:
    return text.upper().replace("-", "").replace(" ", "")
