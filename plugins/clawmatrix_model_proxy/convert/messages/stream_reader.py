"""Reads a stream of the Messages API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.convert.messages.answer import (
    block_kind,
    call_id,
    explanation,
    words,
)
from clawmatrix_model_proxy.convert.messages.usage import read_reason
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    Open,
)
from clawmatrix_model_proxy.neutral.arguments import Arguments, opens
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.neutral.counts import Counts, usages_in
from clawmatrix_model_proxy.neutral.sealed import unmark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_model_proxy.neutral.answer import Event

__all__ = ["MessagesReader"]

_encode = msgspec.json.Encoder().encode
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("reasoning", "thinking"),
    "input_json_delta": ("tool", "partial_json"),
}
"""By the type of a delta: the kind of block that has it, and where its words are."""


@attrs.define(eq=False)
class _Block:
    """A block that is open.

    Attributes:
        key: what the upstream numbers it with.
        number: its own.
        given: of a tool, the arguments that its start had.
        arguments: of a tool, those that came in pieces.
    """

    key: int | None
    number: int
    kind: str
    sealed: str = ""
    given: str = ""
    arguments: Arguments = attrs.field(factory=Arguments)

    @property
    def silent(self) -> bool:
        """True for a call that has no arguments yet, so that later ones may be its own."""
        return self.kind == "tool" and not self.given.strip() and self.arguments.empty


class MessagesReader:
    """Reads one stream; see ``codec.StreamReader``."""

    def __init__(self) -> None:
        self._open: dict[int | None, _Block] = {}
        self._number = 0
        self._calls = False
        self._begun = False
        self._ended = False
        self._counts = Counts()
        self._reason: Any = None
        self._stop_sequence: str | None = None
        self._refusal = ""
        self._read: dict[str, Callable[[dict[str, Any]], Iterable[Event]]] = {
            "content_block_delta": self._delta,
            "content_block_start": self._start,
            "content_block_stop": self._stop,
            "message_start": self._begin,
            "message_delta": self._message_delta,
            "message_stop": self._end,
            "error": self._error,
        }

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """Return what an event amounts to; ones of a new type amount to nothing.

        Raises: BadAnswer.
        """
        kind = payload.get("type")
        if self._ended:
            return ()
        read = self._read.get(kind) if isinstance(kind, str) else None
        if read is not None:
            return read(payload)
        return self._error(payload) if kind is None and payload.get("error") else ()

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """Return nothing: only ``message_stop`` makes a stream whole."""
        return ()

    # --- blocks

    def _delta(self, payload: dict[str, Any]) -> Iterable[Event]:
        delta = payload.get("delta")
        if not isinstance(delta, dict):
            raise BadAnswer("a delta is not an object")
        kind = delta.get("type")
        found = _DELTAS.get(kind) if isinstance(kind, str) else None
        block = self._block(payload)
        if found is None:
            return self._other_delta(block, kind, delta)
        holder, name = found
        if block.kind != holder:
            raise BadAnswer(f"a {kind} that does not fit its block of {block.kind}")
        if holder == "tool":
            return self._piece(block, delta.get(name))
        text = delta.get(name)
        if not isinstance(text, str):
            raise BadAnswer(f"the {name} of a {kind} is not a string")
        return (Delta(block.number, text),) if text else ()

    def _piece(self, block: _Block, said: Any) -> Iterable[Event]:
        """Return a piece of a tool's arguments; the whole of them once more is nothing."""
        text, arguments = _arguments(said), block.arguments
        if not text or (opens(text) and arguments.whole and arguments.same(text)):
            return ()
        arguments.add(text)
        return (Delta(block.number, text),)

    def _other_delta(self, block: _Block, kind: Any, delta: dict[str, Any]) -> Iterable[Event]:
        if kind == "signature_delta" and block.kind == "reasoning":
            block.sealed = words(delta, "signature")
        elif kind != "citations_delta":
            raise BadAnswer(f"a delta of type {kind!r} cannot be put into another API")
        return ()

    def _start(self, payload: dict[str, Any]) -> Iterable[Event]:
        content: Any = payload.get("content_block")
        kind, key = block_kind(content), _block_key(payload)
        # Servers that leave out ends, or number all blocks alike, end a block by the next.
        before = list(self._open.values()) if key is None else self._at(key)
        if any(one.silent for one in before):
            raise BadAnswer("a call begins before another has arguments or an end")
        closed = [event for one in before for event in self._closed(one)]
        block = _Block(key, self._number, kind)
        self._open[key] = block
        self._number += 1
        opened = [*self._ensure_begun(), *closed, Open(block.number, kind)]
        match kind:
            case "tool":
                self._calls = True
                opened[-1] = Open(block.number, kind, call_id(content), words(content, "name"))
                block.given = _arguments(content.get("input"))
            case "redacted":
                block.sealed = words(content, "data")
            case "reasoning":
                block.sealed = words(content, "signature")
        said = words(content, "thinking" if kind == "reasoning" else "text")
        return [*opened, Delta(block.number, said)] if said else opened

    def _stop(self, payload: dict[str, Any]) -> Iterable[Event]:
        return self._closed(self._block(payload))

    def _closed(self, block: _Block) -> list[Event]:
        del self._open[block.key]
        return _closing(block)

    def _block(self, payload: dict[str, Any]) -> _Block:
        """Return the open block that an event is about: without a number the only one."""
        key = _block_key(payload)
        fitting = [*self._at(key), *self._at(None)] if key is not None else ()
        if key is None and len(self._open) == 1:
            fitting = list(self._open.values())
        if len(fitting) != 1:
            raise BadAnswer("an event is about no block that is open, or about several")
        return fitting[0]

    def _at(self, key: int | None) -> list[_Block]:
        """Return the open block that has a number, as a list of one or none."""
        block = self._open.get(key)
        return [] if block is None else [block]

    # --- the message

    def _begin(self, payload: dict[str, Any]) -> Iterable[Event]:
        message = payload.get("message")
        if self._begun or not isinstance(message, dict):
            raise BadAnswer("a message begins twice, or is not an object")
        self._begun = True
        self._count(message)
        usage = self._counts.usage if self._counts.any else None
        return (Begin(words(message, "id"), words(message, "model"), 0, usage),)

    def _ensure_begun(self) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        return [Begin()]

    def _message_delta(self, payload: dict[str, Any]) -> Iterable[Event]:
        delta = payload.get("delta")
        self._count(payload)
        if isinstance(delta, dict):
            self._reason = delta.get("stop_reason") or self._reason
            self._stop_sequence = words(delta, "stop_sequence") or self._stop_sequence
            self._refusal = explanation(delta) or self._refusal
        return ()

    def _count(self, holder: dict[str, Any]) -> None:
        for usage in usages_in(holder):
            self._counts.take(usage)

    def _end(self, payload: dict[str, Any]) -> Iterable[Event]:
        self._ended = True
        self._count(payload)
        events = self._ensure_begun()
        for block in self._open.values():
            events += _closing(block)
        if self._refusal:
            number = self._number
            events += [Open(number, "refusal"), Delta(number, self._refusal), Close(number)]
        reason = read_reason(self._reason, calls=self._calls)
        usage = self._counts.usage
        return [*events, Finish(reason, usage, self._stop_sequence), Completed()]

    def _error(self, payload: dict[str, Any]) -> Iterable[Event]:
        self._ended = True
        return (Failed(payload.get("error") or payload),)


def _block_key(payload: dict[str, Any]) -> int | None:
    """Return what an event numbers its block with, None where it does not. Raises: BadAnswer."""
    index = payload.get("index")
    if isinstance(index, bool) or not isinstance(index, int | float | str | None):
        raise BadAnswer("the number of a block is none")
    try:
        return None if index is None else int(float(index))
    except (ValueError, OverflowError):
        raise BadAnswer("the number of a block is none") from None


def _arguments(value: Any) -> str:
    """Return arguments as text: an empty object, with which calls begin, is nothing."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict | None):
        raise BadAnswer("the input of a tool is not an object")
    try:
        return _encode(value).decode() if value else ""
    except RecursionError:
        raise BadAnswer("the input of a tool has objects within objects, too many") from None


def _closing(block: _Block) -> list[Event]:
    if block.kind == "tool":
        return [*_rest(block), Close(block.number)]
    if not block.sealed:
        return [Close(block.number)]
    return [Close(block.number, *unmark(block.sealed, "messages"))]


def _rest(block: _Block) -> list[Event]:
    """Return the arguments that the start of a call had, where no pieces say them again.

    Raises: BadAnswer, where the pieces say others.
    """
    given, arguments = block.given, block.arguments
    if arguments.empty:
        return [Delta(block.number, given if given.strip() else "{}")]
    if given.strip() and not arguments.same(given):
        raise BadAnswer("the arguments of a call are not those that it began with")
    return []
