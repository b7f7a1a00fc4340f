"""The calls of tools in the stream of a chat completion, read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core import Bound
from clawmatrix_model_proxy.convert.chat.answer import spare_id
from clawmatrix_model_proxy.convert.chat.call_seals import answer_seal
from clawmatrix_model_proxy.convert.chat.message_reader import read_arguments
from clawmatrix_model_proxy.neutral.answer import Close, Delta, Open
from clawmatrix_model_proxy.neutral.fields import Fields, bad_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.neutral.answer import BlockKind, Event

__all__ = ["OPEN_CALLS", "Calls"]


OPEN_CALLS = Bound(
    1024,
    "calls of tools in a stream of chat completions, with or without a name",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)


@attrs.define
class _Call:
    """A call as far as it has come. Its block opens when its name is known.

    Attributes:
        id: the upstream's, empty where it gave none.
        block: its number, None while it is not open.
        early: arguments that came before the name.
        sealed, sealed_by: what the maker put on it, where that came before the block opened.
    """

    id: str = ""
    free: bool = False
    block: int | None = None
    early: list[str] = attrs.field(factory=list)
    sealed: str = ""
    sealed_by: str = ""


class Calls:
    """Puts the pieces of calls where they belong, by their index, or by what else tells them.

    Attributes:
        answer_id: the answer's, of which ids are made for calls that have none.
        kinds: the kinds of the blocks so far.
    """

    def __init__(self, number: Callable[[], int]) -> None:
        """Begin without calls; ``number`` gives the next block's number."""
        self.answer_id = ""
        self.kinds: set[BlockKind] = set()
        self._number = number
        self._by_index: dict[int, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._open: list[_Call] = []
        self._made = 0

    @property
    def named(self) -> bool:
        """True unless the name of a call is missing."""
        return all(call.block is not None for call in self._open)

    def read(self, pieces: Any, events: list[Event]) -> None:
        """Add the events of the pieces in one delta. Raises: BadAnswer."""
        if not isinstance(pieces, list):
            raise bad_answer("choices[0].delta.tool_calls", "must be a list")
        for at, piece in enumerate(pieces):
            self._piece(Fields(piece, f"choices[0].delta.tool_calls[{at}]", bad_answer), events)

    def close(self, events: list[Event]) -> None:
        """Add the ends of all calls. Raises: BadAnswer, where one never had a name."""
        for call in self._open:
            if call.block is None:
                raise bad_answer("choices[0].delta.tool_calls", "a call without a name")
            events.append(Close(call.block))
        self._open.clear()
        self._by_index.clear()
        self._by_id.clear()

    def _piece(self, fields: Fields, events: list[Event]) -> None:
        id, kind = fields.take("id", str) or "", fields.take("type", str)
        index = fields.take("index", int)
        free = kind == "custom" or (not kind and fields.left.get("custom") is not None)
        if kind not in (None, "", "function", "custom"):
            raise bad_answer(fields.at("type"), f"no call of the type {kind!r} is known")
        said = fields.take("custom" if free else "function", dict) or {}
        inner = Fields(said, fields.at("function"), bad_answer)
        name = inner.take("name", str) or ""
        given = inner.left.get("input" if free else "arguments")
        text = read_arguments(given, inner.at("arguments"), bad_answer)
        call = self._belonging(index, id, name)
        call.free = call.free or free
        call.id = call.id or id
        if not call.sealed:
            call.sealed, call.sealed_by = answer_seal(fields)
        if call.block is None:
            call.early.append(text)
            if name:
                self._begin(call, name, events)
        elif text:
            events.append(Delta(call.block, text))

    def _belonging(self, index: int | None, id: str, name: str) -> _Call:
        if index is None:
            found = self._without_index(id, name)
        else:
            found = self._by_index.get(index)
            # There are servers that count every call as the first.
            if found is not None and name and id and found.id and found.id != id:
                found = None
        if found is None:
            if len(self._open) == OPEN_CALLS:
                raise bad_answer("choices[0].delta.tool_calls", f"more than {OPEN_CALLS} calls")
            found = _Call(id)
            self._open.append(found)
        if index is not None:
            self._by_index[index] = found
        if id:
            self._by_id.setdefault(id, found)
        return found

    def _without_index(self, id: str, name: str) -> _Call | None:
        if id in self._by_id:
            return self._by_id[id]
        return None if name or not self._open else self._open[-1]

    def _begin(self, call: _Call, name: str, events: list[Event]) -> None:
        kind: BlockKind = "free_tool" if call.free else "tool"
        call.id = call.id or spare_id(self.answer_id, self._made)
        self._made += 1
        call.block = self._number()
        self.kinds.add(kind)
        seal = (call.sealed, call.sealed_by)
        events.append(Open(call.block, kind, call.id, name, -1, *seal))
        if early := "".join(call.early):
            events.append(Delta(call.block, early))
