"""A Responses upstream's stream, read; and its whole answer, which is the end of a stream.

Servers leave out events, numbers and names, so nothing is needed but the last event and either
the pieces of the answer before it or the whole in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.responses.blocks import Blocks, part_kind
from clawmatrix_model_proxy.convert.responses.logprobs import read_logprobs
from clawmatrix_model_proxy.convert.responses.slots import (
    Slot,
    Slots,
    as_text,
    list_in,
    object_in,
    text_in,
)
from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Completed,
    Event,
    Failed,
    Finish,
    FinishReason,
)
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.neutral.counts import Counts, usages_in
from clawmatrix_model_proxy.neutral.ends import end_of
from clawmatrix_model_proxy.streams.stages import ends_response, is_broken_off

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.answer import BlockKind

__all__ = ["ResponsesReader"]

_About = tuple["BlockKind", str, str, str]
_BLOCKS: dict[str, _About] = {
    "response.output_text": ("text", "message", "content_index", "text"),
    "response.refusal": ("refusal", "message", "content_index", "refusal"),
    "response.reasoning_text": ("reasoning", "reasoning", "content_index", "text"),
    "response.reasoning": ("reasoning", "reasoning", "content_index", "text"),
    "response.reasoning_summary_text": ("summary", "reasoning", "summary_index", "text"),
    "response.reasoning_summary": ("summary", "reasoning", "summary_index", "text"),
    "response.function_call_arguments": ("tool", "function_call", "", "arguments"),
    "response.custom_tool_call_input": ("free_tool", "custom_tool_call", "", "input"),
}
"""What events are about: the kind of block, its item, where its place is, where its whole text."""
_DELTAS = {f"{name}.delta": about for name, about in _BLOCKS.items()}
_DONES = {f"{name}.done": about for name, about in _BLOCKS.items()}
_SAID = frozenset({"text", "refusal"})
_BEGINNINGS = frozenset({"response.created", "response.queued", "response.in_progress"})
_PARTS_ADDED = frozenset({"response.content_part.added", "response.reasoning_summary_part.added"})
_PARTS_DONE = frozenset({"response.content_part.done", "response.reasoning_summary_part.done"})
_ENDINGS = frozenset({"response.completed", "response.incomplete", "response.done"})
_FAILURES = frozenset({"response.failed", "response.cancelled", "error"})


class ResponsesReader:
    """Reads one stream."""

    def __init__(self) -> None:
        self._slots = Slots()
        self._blocks = Blocks()
        self._counts = Counts()
        self._begun = False
        self._ended = False
        self._next = 0
        self._missing = False

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        """Return what an event amounts to; one that is not known is nothing. Raises: BadAnswer."""
        if self._ended:
            return ()
        number = payload.get("sequence_number")
        if type(number) is int:
            # some servers begin with 1, or give all events one number, but none leaves out two
            if number > self._next + (self._next == 0):
                self._missing = True
            self._next = number + 1
        kind = payload.get("type")
        if type(kind) is not str:
            kind = "error" if payload.get("error") else ""
        about = _DELTAS.get(kind)
        if about is not None:
            return self._delta(payload, about)
        return self._after_begin(self._other(kind, payload))

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """Return nothing: a stream is whole with its last event, or not at all."""
        return ()

    def _after_begin(self, events: Iterable[Event]) -> list[Event]:
        """Return events, with the beginning before them where a server left that out."""
        found = list(events)
        if found and not self._begun:
            self._begun = True
            if not isinstance(found[0], Begin):
                found.insert(0, Begin())
        return found

    def _delta(self, payload: dict[str, Any], about: _About) -> Iterable[Event]:
        text = payload.get("delta")
        if type(text) is not str:
            text = text_in(payload, "delta")
        logprobs = read_logprobs(payload) if payload.get("logprobs") else None
        if not (text or logprobs):
            return ()
        slot = self._slots.of(payload, about[1])
        block = slot.block(about[0], slot.place(about[0], payload.get(about[2])))
        if block.index < 0:
            return self._after_begin(self._blocks.first(slot, block, text, logprobs))
        return (self._blocks.piece(block, text, logprobs),)

    def _other(self, kind: str, payload: dict[str, Any]) -> Iterable[Event]:
        if kind in _DONES:
            return self._text_done(payload, _DONES[kind])
        if kind in _PARTS_ADDED or kind in _PARTS_DONE:
            return self._part(payload, done=kind in _PARTS_DONE)
        if kind == "response.output_item.added":
            return self._blocks.announced(self._slots.added(payload))
        if kind == "response.output_item.done":
            slot = self._slots.finished(payload)
            return self._blocks.item_done(slot, as_text(object_in(payload, "item")))
        if kind in _BEGINNINGS:
            self._count(payload)
            return () if self._begun else (_begin(payload.get("response")),)
        if kind in _ENDINGS:
            self._count(payload)
            return self._end(kind, object_in(payload, "response"))
        if kind in _FAILURES:
            return self._failed(payload)
        return self._end(kind, payload["response"]) if ends_response(payload) else ()

    def _text_done(self, payload: dict[str, Any], about: _About) -> Iterator[Event]:
        kind, item, place, text = about
        slot = self._slots.sure(payload, item)
        if slot is not None:
            if slot.calls:
                slot.learn({"name": payload.get("name")})
            at = slot.place(kind, payload.get(place))
            yield from self._blocks.fill(slot, kind, at, as_text(payload), text)

    def _part(self, payload: dict[str, Any], *, done: bool) -> Iterator[Event]:
        if payload.get("part") is None:
            return
        part = object_in(payload, "part")
        kind, text = part_kind(part)
        slot = self._slots.sure(payload, "message" if kind in _SAID else "reasoning")
        if slot is None:
            return
        said = payload.get("summary_index" if kind == "summary" else "content_index")
        if not done:
            slot.announced(kind, said)
            return
        place = slot.place(kind, said)
        yield from self._blocks.fill(slot, kind, place, part, text)
        if kind in _SAID:
            yield from self._blocks.part_done(slot, kind, place)

    def _end(self, kind: str, response: dict[str, Any]) -> Iterator[Event]:
        if response.get("error") or is_broken_off(response.get("status")):
            yield from self._failed({"response": response})
            return
        if self._missing and not response.get("output"):
            raise BadAnswer("events of the answer are missing, and the last has not the whole")
        if not self._begun:
            yield _begin(response)
        taken: set[Slot] = set()
        for number, item in enumerate(map(as_text, list_in(response, "output"))):
            slot = self._slots.final(number, item, taken)
            taken.add(slot)
            yield from self._blocks.item_done(slot, item)
        if taken and any(slot.calls and slot not in taken for slot in self._slots.all):
            raise BadAnswer("a call of the answer is not in the whole of it")
        for slot in self._slots.all:
            yield from self._blocks.left_out(slot)
        self._ended = True
        yield Finish(self._reason(kind, response), self._counts.usage)
        yield Completed()

    def _reason(self, kind: str, response: dict[str, Any]) -> FinishReason:
        details = response.get("incomplete_details")
        if kind == "response.incomplete" or response.get("status") == "incomplete" or details:
            why = details.get("reason") if isinstance(details, dict) else None
            end = end_of(why, {})
            return end if end in ("content_filter", "pause") else "length"
        if any(slot.calls for slot in self._slots.all):
            return "tool_calls"
        refused = any(kind == "refusal" for slot in self._slots.all for kind, _ in slot.blocks)
        return "refusal" if refused else "stop"

    def _count(self, payload: dict[str, Any]) -> None:
        response = payload.get("response")
        for holder in (payload, response if isinstance(response, dict) else {}):
            for usage in usages_in(holder):
                self._counts.take(usage)

    def _failed(self, payload: dict[str, Any]) -> Iterator[Event]:
        self._ended = True
        response = payload.get("response")
        if isinstance(response, dict):
            told = {"message": f"the upstream's answer is {response.get('status', 'failed')}"}
            yield Failed(response.get("error") or told)
        else:
            yield Failed(payload.get("error") or payload)


def _begin(response: Any) -> Begin:
    fields = response if isinstance(response, dict) else {}
    created = fields.get("created_at")
    seconds = int(created) if isinstance(created, int | float) and 0 < created < 1e12 else 0
    return Begin(text_in(fields, "id"), text_in(fields, "model"), seconds)
