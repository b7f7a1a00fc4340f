"""The calls of tools in the stream of a chat completion, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from clawmatrix_core import Bound
from clawmatrix_model_proxy.convert.chat.answer import spare_id
from clawmatrix_model_proxy.convert.chat.call_pieces import (
    Call,
    Piece,
    cannot_tell,
    grown_name,
    is_half_name,
    is_name,
    read_piece,
    relation,
)
from clawmatrix_model_proxy.neutral.answer import Close, Delta, Open
from clawmatrix_model_proxy.neutral.fields import Fields, bad_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from clawmatrix_model_proxy.convert.chat.call_pieces import Key, Relation
    from clawmatrix_model_proxy.neutral.answer import BlockKind, Event

__all__ = ["OPEN_CALLS", "Calls"]


OPEN_CALLS = Bound(
    1024,
    "calls of tools in a stream of chat completions, with or without a name",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)
_WHERE = "choices[0].delta.tool_calls"


class Calls:
    """Puts the pieces of calls where they belong; see ``call_pieces``.

    Attributes:
        answer_id: the answer's, of which ids are made for calls that have none.
        kinds: the kinds of the blocks so far.
        tools: the names that calls may have, empty where they are not known.
        last: the call that the last piece was put to, None before the first piece.
    """

    def __init__(self, number: Callable[[], int], late_seal: Callable[[str, str], None]) -> None:
        """Begin without calls.

        Args:
            number: gives the next block's number.
            late_seal: takes the id of a call that has been told, and its seal.
        """
        self._late_seal = late_seal
        self.answer_id = ""
        self.kinds: set[BlockKind] = set()
        self.tools: Collection[str] = ()
        self.last: Call | None = None
        self._number = number
        self._by_index: dict[Key, Call] = {}
        self._by_id: dict[str, Call] = {}
        self._shared: set[Key] = set()  # what several calls had
        self._shared_ids: set[str] = set()
        self._all: list[Call] = []
        self._opened = 0  # calls of ``_all`` before this have a block

    @property
    def named(self) -> bool:
        """True unless the name of a call is missing."""
        return all(call.name for call in self._all)

    def read(self, pieces: Any, events: list[Event]) -> None:
        """Add the events of the pieces in one delta. Raises: BadAnswer."""
        if not isinstance(pieces, list):
            raise bad_answer(_WHERE, "must be a list")
        for at, piece in enumerate(pieces):
            if piece is not None:
                read = read_piece(Fields(piece, f"{_WHERE}[{at}]", bad_answer))
                self._take(replace(read, text="") if read.blank else read, events)

    def close(self, events: list[Event]) -> None:
        """Add the ends of all calls. Raises: BadAnswer, where one never had a name."""
        self._open_all(events)
        for call in self._all:
            self._refuse_odd(call)
            if call.perhaps and (call.pieces == 1 or call.with_name < call.pieces):
                raise bad_answer(_WHERE, f"a call of {call.name!r} may have begun, or not")
            if not call.closed:
                call.closed = True
                assert call.block is not None
                if call.blank and not call.arguments.length:
                    events.append(Delta(call.block, "{}"))
                events.append(Close(call.block))

    def _refuse_odd(self, call: Call) -> None:
        """Refuse what may have been put together out of two calls. Raises: BadAnswer."""
        half = not self._is_own(call.index) and len(self._all) > 1 and self._is_half(call)
        mixed = call.odd and not call.free and call.arguments.length and not call.arguments.valid
        if half or mixed:
            raise cannot_tell(call)

    def _take(self, piece: Piece, events: list[Event]) -> None:
        if len(self._all) > 1:
            self._refuse_unclear(piece)
        call = self._candidate(piece)
        found: Relation = "new" if call is None else relation(call, piece, self.tools)
        if call is None or found == "new":
            self.last = self._begun(piece, call)
            self._add(self.last, piece, events)
            return
        self.last = call
        if found == "perhaps":
            call.perhaps = True
        elif found == "name":
            call.name = grown_name(call, piece, self.tools)
            self._add(call, piece, events)
        elif found == "grown":
            self._add(call, piece, events, piece.text[call.arguments.length :])
        elif found == "more":
            self._add(call, piece, events)
        if piece.index is not None:
            self._by_index[piece.index] = call

    def _candidate(self, piece: Piece) -> Call | None:
        """Return the call that a piece is put to by its index, its id or its place."""
        by_id = self._by_id.get(piece.id) if piece.id else None
        if piece.index is not None:
            by_index = self._by_index.get(piece.index)
            if by_index is None:
                return None
            # There are servers that count every call as the first, and such that name all alike.
            return by_id if by_id is not None and by_index.id != piece.id else by_index
        if by_id is not None or not self._all:
            return by_id
        last = self._all[-1]
        again = piece.name and last.name == piece.name and not (piece.id or last.id)
        if again and last.arguments.empty and not last.free:
            raise cannot_tell(last)
        other = piece.name and ((piece.id and piece.id != last.id) or last.closed)
        return None if other else last

    def _refuse_unclear(self, piece: Piece) -> None:
        """Refuse arguments that may be those of several calls. Raises: BadAnswer."""
        told = piece.id in self._by_id and piece.id not in self._shared_ids
        if told or not piece.text.strip() or self._is_own(piece.index):
            return
        empty = [call for call in self._all if not call.closed and call.arguments.empty]
        if piece.name:
            empty = [call for call in empty if call.name == piece.name or self._is_half(call)]
        if len(empty) > 1 or (empty and not piece.name and empty[0] is not self._all[-1]):
            raise cannot_tell(empty[0])

    def _is_half(self, call: Call) -> bool:
        return is_half_name(call.name, self.tools)

    def _is_own(self, index: Key | None) -> bool:
        """Say whether no two calls have an index."""
        return index is not None and index not in self._shared

    def _begun(self, piece: Piece, before: Call | None) -> Call:
        if len(self._all) == OPEN_CALLS:
            raise bad_answer(_WHERE, f"more than {OPEN_CALLS} calls")
        call = Call(piece.id, piece.name, piece.index)
        if before is not None and before.perhaps:
            call.name, before.perhaps = call.name or before.name, False
        self._all.append(call)
        if piece.id in self._by_id:
            self._shared_ids.add(piece.id)
        if piece.index is not None:
            if piece.index in self._by_index:
                self._shared.add(piece.index)
            self._by_index[piece.index] = call
        return call

    def _add(self, call: Call, piece: Piece, events: list[Event], text: str | None = None) -> None:
        text = piece.text if text is None else text
        if call.closed and text.strip():
            raise bad_answer(_WHERE, "there is more of a call that had ended")
        call.pieces += 1
        call.with_name += bool(piece.name)
        call.odd = call.with_name > 1 or (call.pieces > 1 and not self._is_own(piece.index))
        call.free = call.free or piece.free
        call.blank = call.blank or piece.blank
        call.name = call.name or piece.name
        call.id = call.id or piece.id
        if piece.id:
            self._by_id.setdefault(piece.id, call)
        if piece.sealed and call.block is not None and call.sealed != piece.sealed:
            self._late_seal(call.id, piece.sealed)
        if not call.sealed:
            call.sealed, call.sealed_by = piece.sealed, piece.sealed_by
        call.arguments.add(text)
        if call.block is not None:
            if text and not call.closed:
                events.append(Delta(call.block, text))
            return
        call.early.append(text)
        if call.name and (text or is_name(call.name, self.tools)):
            self._open_all(events, call)

    def _open_all(self, events: list[Event], last: Call | None = None) -> None:
        """Open the calls up to one, in the order in which they came."""
        while self._opened < len(self._all):
            call = self._all[self._opened]
            if not call.name:
                if last is None:
                    raise bad_answer(_WHERE, "a call without a name")
                return
            self._open(call, events)
            if call is last:
                return

    def _open(self, call: Call, events: list[Event]) -> None:
        kind: BlockKind = "free_tool" if call.free else "tool"
        call.id = call.id or spare_id(self.answer_id, self._opened)
        call.block = self._number()
        self._opened += 1
        self.kinds.add(kind)
        seal = (call.sealed, call.sealed_by)
        events.append(Open(call.block, kind, call.id, call.name, -1, *seal))
        if early := "".join(call.early):
            events.append(Delta(call.block, early))
        call.early.clear()
