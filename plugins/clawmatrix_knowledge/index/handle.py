"""The document itself: everything that touches the library, as a function from bytes to bytes.

It runs in a process of its own, or in the node's where time is simulated. It neither reads files
nor knows the time. An error that the library raises leaves the document unusable: the caller
then loads a new one from the disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from automerge.core import ROOT, Document, ScalarType, SyncState
from automerge.core import Message as LibraryMessage

from clawmatrix_knowledge.index.changes import BASE, FILES, read_change
from clawmatrix_knowledge.index.gate import Gate, MalformedError
from clawmatrix_knowledge.index.holding import Held
from clawmatrix_knowledge.index.messages import Have, Message, read_message, write_message
from clawmatrix_knowledge.index.words import (
    Add,
    Added,
    Done,
    Entry,
    Failed,
    Generate,
    Generated,
    Open,
    Opened,
    Receive,
    Received,
    Request,
    Save,
    Saved,
    Share,
    Unshare,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_knowledge.index.changes import Change
    from clawmatrix_knowledge.index.words import Reply

__all__ = ["Handler"]

_REQUESTS: Final = msgspec.msgpack.Decoder(Request)
_REPLIES: Final = msgspec.msgpack.Encoder()


class Handler:
    """Keeps one document."""

    def __init__(self) -> None:
        self._document = Document.load(BASE)
        self._gate = Gate()
        self._shares: dict[str, SyncState] = {}
        self._held: dict[str, Held] = {}

    def handle(self, request: bytes) -> bytes:
        """Answer a request. Raises: what the library raises, BaseException too."""
        try:
            reply = self._answer(_REQUESTS.decode(request))
        except MalformedError as error:
            reply = Failed(str(error))
        return _REPLIES.encode(reply)

    def _answer(self, request: Request) -> Reply:
        match request:
            case Open():
                return self._open(request)
            case Add():
                return self._add(request.actor, request.entries)
            case Share():
                self._shares[request.share], self._held[request.share] = SyncState(), Held()
                return Done()
            case Unshare():
                self._shares.pop(request.share, None)
                self._held.pop(request.share, None)
                return Done()
            case Generate():
                return Generated(self._generated(request.share))
            case Receive():
                return self._receive(request.share, request.message)
            case Save():
                return Saved(self._document.save(), self._document.get_heads())

    def _open(self, request: Open) -> Opened:
        """Make the document of a snapshot and of later changes; leave out what does not fit."""
        entries: list[Entry] = []
        if request.snapshot:
            self._document = Document.load(request.snapshot)
            first, *others = self._document.get_changes([])
            if first.raw_bytes != BASE:
                raise MalformedError("the snapshot is of another kind of document")
            for stored in others:
                entries += self._admitted(read_change(stored.raw_bytes))
        dropped = 0
        later: list[Change] = []
        for data in request.changes:
            try:
                change = read_change(data)
                if change.hash in self._gate:
                    continue
                if self._gate.lacks(change):
                    raise MalformedError("a change comes before those it depends on")
                entries += self._admitted(change)
            except MalformedError:
                dropped += 1
            else:
                later.append(change)
        self._apply(later)
        return Opened(entries, self._document.get_heads(), dropped)

    def _add(self, actor: bytes, entries: Sequence[Entry]) -> Added:
        before = self._document.get_heads()
        self._document.set_actor(actor)
        found = self._document.get(ROOT, FILES)
        assert found is not None
        with self._document.transaction() as transaction:
            for entry in entries:
                transaction.put(found[1], entry.key, ScalarType.Str, entry.text)
        (made,) = self._document.get_changes(before)
        self._gate.admit(read_change(made.raw_bytes))
        return Added(made.bytes, self._document.get_heads())

    def _generated(self, share: str) -> bytes | None:
        state, held = self._shares[share], self._held[share]
        made: LibraryMessage | None = self._document.generate_sync_message(state)
        lacking = held.lacking(self._gate)
        if made is None and not lacking:
            return None
        if made is None:
            heads = tuple(sorted(self._document.get_heads()))
            return write_message(Message(heads, lacking, (Have((), b""),), ()))
        message = read_message(made.encode())
        needs = tuple(sorted({*message.needs, *lacking}))
        return write_message(Message(message.heads, needs, message.haves, message.changes))

    def _receive(self, share: str, data: bytes) -> Received:
        message, held = read_message(data), self._held[share]
        for change in map(read_change, message.changes):
            if change.hash not in self._gate:
                held.put(change)
        entries: list[Entry] = []
        fitting: list[Change] = []
        refused = ""
        try:
            for change in held.ready(self._gate):
                entries += self._admitted(change)
                fitting.append(change)
        except MalformedError as error:  # what came before it stays
            refused = str(error)
        self._apply(fitting)
        if not refused:
            told = Message(message.heads, message.needs, message.haves, ())
            self._take(self._shares[share], told)
        changes = [change.data for change in fitting]
        return Received(entries, changes, self._document.get_heads(), refused)

    def _admitted(self, change: Change) -> list[Entry]:
        self._gate.admit(change)
        return [Entry(key, text) for key, text in change.entries]

    def _apply(self, changes: Sequence[Change]) -> None:
        """Give the library changes that the gate has let in."""
        if not changes:
            return
        data = tuple(change.data for change in changes)
        self._take(SyncState(), Message((), (), (Have((), b""),), data))

    def _take(self, state: SyncState, message: Message) -> None:
        library = LibraryMessage.decode(write_message(message))
        self._document.receive_sync_message(state, library)
