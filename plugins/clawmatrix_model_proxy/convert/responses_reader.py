"""A Responses upstream's stream, read; and its whole answer, which is the end of a stream.

Servers leave out events. A block opens with the first that tells of it, and what comes whole at
its end, at its item's, or only in the last event is added as far as it had not come. What came
before and does not fit to it is no answer.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.answer import (
    Begin,
    Close,
    Delta,
    End,
    Event,
    Failed,
    Finish,
    FinishReason,
    Open,
)
from clawmatrix_model_proxy.convert.codec import BadAnswer
from clawmatrix_model_proxy.convert.responses_sealed import read_encrypted
from clawmatrix_model_proxy.convert.responses_slots import (
    Growing,
    Slot,
    Slots,
    list_in,
    object_in,
    text_in,
)
from clawmatrix_model_proxy.convert.responses_usage import read_usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.convert.answer import BlockKind
    from clawmatrix_model_proxy.convert.sealed import Sealer

__all__ = ["ResponsesReader"]

_About = tuple["BlockKind", str, str, str]
_BLOCKS: dict[str, _About] = {
    "response.output_text": ("text", "message", "content_index", "text"),
    "response.refusal": ("refusal", "message", "content_index", "refusal"),
    "response.reasoning_text": ("reasoning", "reasoning", "content_index", "text"),
    "response.reasoning": ("reasoning", "reasoning", "content_index", "text"),
    "response.reasoning_summary_text": ("summary", "reasoning", "summary_index", "text"),
    "response.function_call_arguments": ("tool", "function_call", "", "arguments"),
    "response.custom_tool_call_input": ("free_tool", "custom_tool_call", "", "input"),
}
"""What events are about: the kind of block, its item, where its place is, where its whole text."""
_DELTAS = {f"{name}.delta": about for name, about in _BLOCKS.items()}
_DONES = {f"{name}.done": about for name, about in _BLOCKS.items()}
_PARTS: dict[str, tuple[BlockKind, str]] = {
    "output_text": ("text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("reasoning", "text"),
    "summary_text": ("summary", "text"),
}
_BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})
_ENDINGS = frozenset({"response.completed", "response.incomplete"})
_FAILURES = frozenset({"response.failed", "response.cancelled", "error"})
_FAILED = frozenset({"failed", "cancelled"})


class ResponsesReader:
    """Reads one stream."""

    def __init__(self) -> None:
        self._slots = Slots()
        self._numbers = count()
        self._begun = False
        self._ended = False

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """Return what an event amounts to; one that is not known is nothing. Raises: BadAnswer."""
        kind = payload.get("type")
        if type(kind) is not str:
            kind = "error" if payload.get("error") else ""
        about = _DELTAS.get(kind)
        if about is not None:
            return self._delta(payload, about)
        return () if self._ended else list(self._other(kind, payload))

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """Return nothing: a stream is whole with its last event, or not at all."""
        return ()

    def _delta(self, payload: dict[str, Any], about: _About) -> Iterable[Event]:
        text = payload.get("delta")
        if type(text) is not str:
            text = text_in(payload, "delta")
        logprobs = list_in(payload, "logprobs") or None if payload.get("logprobs") else None
        if self._ended or not (text or logprobs):
            return ()
        slot = self._slots.of(payload, about[1])
        block = slot.blocks.get((about[0], _place(payload, about[2])))
        if block is None or block.index < 0:
            return [*self._late(slot, payload, about, text, logprobs)]
        return (self._piece(block, text, logprobs),)

    def _late(
        self,
        slot: Slot,
        payload: dict[str, Any],
        about: _About,
        text: str,
        logprobs: list[dict[str, Any]] | None,
    ) -> Iterator[Event]:
        block = self._block(slot, about[0], _place(payload, about[2]))
        if slot.calls and not slot.name:
            block.pieces.append(text)  # until its name is known
            return
        yield from self._open(slot, block)
        yield self._piece(block, text, logprobs)

    def _piece(
        self, block: Growing, text: str, logprobs: list[dict[str, Any]] | None = None
    ) -> Delta:
        if block.closed:
            raise BadAnswer("there is more of a block that was whole")
        block.pieces.append(text)
        block.logged = block.logged or logprobs is not None
        return Delta(block.index, text, logprobs)

    def _other(self, kind: str, payload: dict[str, Any]) -> Iterator[Event]:
        if kind in _DONES:
            block_kind, item, place, text = _DONES[kind]
            slot = self._slots.of(payload, item)
            if not slot.done:
                yield from self._fill(slot, block_kind, _place(payload, place), payload, text)
        elif kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
            yield from self._part_done(payload)
        elif kind == "response.output_item.added":
            yield from self._added(self._slots.added(payload))
        elif kind == "response.output_item.done":
            slot = self._slots.finished(payload)
            yield from self._item_done(slot, object_in(payload, "item"))
        elif kind in _BEGINNINGS:
            yield from self._begin(payload.get("response"))
        elif kind in _ENDINGS:
            yield from self._end(kind, object_in(payload, "response"))
        elif kind in _FAILURES:
            yield from self._failed(payload)

    def _begin(self, response: Any = None) -> Iterator[Event]:
        if self._begun:
            return
        self._begun = True
        fields = response if isinstance(response, dict) else {}
        created = fields.get("created_at")
        seconds = int(created) if isinstance(created, int | float) and 0 < created < 1e12 else 0
        yield Begin(text_in(fields, "id"), text_in(fields, "model"), seconds)

    def _block(self, slot: Slot, kind: BlockKind, place: int) -> Growing:
        return slot.blocks.setdefault((kind, place), Growing(kind))

    def _open(self, slot: Slot, block: Growing) -> Iterator[Event]:
        if slot.kind == "reasoning":
            # what is sealed comes with the last block of a thought, so the last stays open
            yield from self._close(slot)
        yield from self._begin()
        if slot.calls and not slot.name:
            raise BadAnswer("there is a call without the name of its tool")
        block.index = next(self._numbers)
        if slot.kind == "reasoning":
            yield Open(block.index, block.kind, slot.id, group=slot.number)
        else:
            call_id = slot.call_id or slot.id if slot.calls else ""
            yield Open(block.index, block.kind, call_id, slot.name)
        if block.pieces:
            yield Delta(block.index, "".join(block.pieces))

    def _added(self, slot: Slot) -> Iterator[Event]:
        """Open a call, which means something before it has arguments; others wait for words."""
        if slot.calls and slot.name:
            block = self._block(slot, "tool" if slot.kind == "function_call" else "free_tool", 0)
            if block.index < 0:
                yield from self._open(slot, block)

    def _fill(
        self, slot: Slot, kind: BlockKind, place: int, fields: dict[str, Any], name: str
    ) -> Iterator[Event]:
        """Add what of a block had not come."""
        block, whole = self._block(slot, kind, place), text_in(fields, name)
        if block.closed:
            if _rest("".join(block.pieces), whole, slot):
                raise BadAnswer("there is more of a block that was whole")
            return
        if slot.calls and not slot.name:
            block.pieces[:] = [whole or "".join(block.pieces)]
            return
        if block.index < 0:
            yield from self._open(slot, block)
        rest = _rest("".join(block.pieces), whole, slot)
        logprobs = None if block.logged else list_in(fields, "logprobs") or None
        if rest or logprobs:
            yield self._piece(block, rest, logprobs)

    def _close(self, slot: Slot, sealed: str = "", sealed_by: Sealer = "") -> Iterator[Event]:
        """Close the blocks of an item; what is sealed is with the last."""
        growing = [block for block in slot.blocks.values() if block.index >= 0 and not block.closed]
        for block in growing:
            block.closed = True
            last = block is growing[-1]
            yield Close(block.index, sealed if last else "", sealed_by if last else "")

    def _part_done(self, payload: dict[str, Any]) -> Iterator[Event]:
        part = object_in(payload, "part")
        kind, text = _part(part)
        item = "message" if kind in ("text", "refusal") else "reasoning"
        place = "summary_index" if kind == "summary" else "content_index"
        slot = self._slots.of(payload, item)
        if slot.done:
            return
        yield from self._fill(slot, kind, _place(payload, place), part, text)
        if item == "message":
            block = self._block(slot, kind, _place(payload, place))
            if not block.closed:
                block.closed = True
                yield Close(block.index)

    def _item_done(self, slot: Slot, item: dict[str, Any]) -> Iterator[Event]:
        if slot.done:
            return
        slot.done = True
        if slot.kind == "reasoning":
            yield from self._thought_done(slot, item)
            return
        if slot.calls:
            kind: BlockKind = "tool" if slot.kind == "function_call" else "free_tool"
            yield from self._fill(slot, kind, 0, item, "arguments" if kind == "tool" else "input")
            if slot.blocks[kind, 0].index < 0:
                raise BadAnswer("there is a call without the name of its tool")
        else:
            for place, part in enumerate(list_in(item, "content")):
                part_kind, text = _part(part)
                yield from self._fill(slot, part_kind, place, part, text)
        yield from self._close(slot)

    def _thought_done(self, slot: Slot, item: dict[str, Any]) -> Iterator[Event]:
        for name in ("summary", "content"):
            for place, part in enumerate(list_in(item, name)):
                kind, text = _part(part)
                yield from self._fill(slot, kind, place, part, text)
        kept = text_in(item, "encrypted_content")
        if not kept:
            yield from self._close(slot)
            return
        sealed, sealed_by, _ = read_encrypted(slot.id, kept)
        if not any(not block.closed for block in slot.blocks.values()):
            yield from self._open(slot, self._block(slot, "redacted", 0))
        yield from self._close(slot, sealed, sealed_by)

    def _end(self, kind: str, response: dict[str, Any]) -> Iterator[Event]:
        if response.get("error") or response.get("status") in _FAILED:
            yield from self._failed({"response": response})
            return
        yield from self._begin(response)
        taken: set[Slot] = set()
        for number, item in enumerate(list_in(response, "output")):
            slot = self._slots.final(number, item, taken)
            taken.add(slot)
            yield from self._item_done(slot, item)
        for slot in self._slots.all:
            yield from self._left_out(slot)
        self._ended = True
        yield Finish(self._reason(kind, response), read_usage(response.get("usage")))
        yield End()

    def _left_out(self, slot: Slot) -> Iterator[Event]:
        """Take an item of which no event had the whole for what came of it."""
        block = slot.blocks.get(("tool", 0))
        arguments = "".join(block.pieces) if block is not None else ""
        if slot.kind == "function_call" and not slot.done and _json(arguments) == arguments:
            raise BadAnswer("the answer ended before a call was whole")
        yield from self._item_done(slot, {})

    def _reason(self, kind: str, response: dict[str, Any]) -> FinishReason:
        details = response.get("incomplete_details")
        status = response.get("status")
        if kind == "response.incomplete" or status == "incomplete" or details:
            why = details.get("reason") if isinstance(details, dict) else None
            return "content_filter" if why == "content_filter" else "length"
        return "tool_calls" if any(slot.calls for slot in self._slots.all) else "stop"

    def _failed(self, payload: dict[str, Any]) -> Iterator[Event]:
        self._ended = True
        response = payload.get("response")
        if isinstance(response, dict):
            told = {"message": f"the upstream's answer is {response.get('status', 'failed')}"}
            yield Failed(response.get("error") or told)
        else:
            yield Failed(payload.get("error") or payload)


def _place(payload: dict[str, Any], name: str) -> int:
    place = payload.get(name) if name else 0
    return place if type(place) is int else 0


def _part(part: dict[str, Any]) -> tuple[BlockKind, str]:
    kind = text_in(part, "type")
    if kind not in _PARTS:
        raise BadAnswer(f"the answer has a part {kind!r}, which cannot be put into another API")
    return _PARTS[kind]


def _rest(come: str, whole: str, slot: Slot) -> str:
    """Return what of a whole text had not come yet. Raises: BadAnswer, where it is another."""
    if whole.startswith(come):
        return whole[len(come) :]
    same = _json(come) == _json(whole) if slot.kind == "function_call" else False
    if whole and not same and come.strip() != whole.strip():
        raise BadAnswer("what came of the answer is not what it is said to be at its end")
    return ""


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text
