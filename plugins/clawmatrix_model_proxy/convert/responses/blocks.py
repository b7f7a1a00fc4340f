"""Blocks of output items as they grow: opened by the first that tells of them, filled, closed.

What an item is said to be when it is whole is added as far as it had not come. What had come and
does not fit to it is no answer.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.responses.logprobs import read_logprobs
from clawmatrix_model_proxy.convert.responses.sealed import read_encrypted
from clawmatrix_model_proxy.convert.responses.slots import Growing, Slot, list_in, text_in
from clawmatrix_model_proxy.json_values import decode
from clawmatrix_model_proxy.neutral.answer import Close, Delta, Event, Open
from clawmatrix_model_proxy.neutral.codec import BadAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_model_proxy.neutral.answer import BlockKind
    from clawmatrix_model_proxy.neutral.sealed import Sealer

__all__ = ["Blocks", "part_kind"]

_PARTS: dict[str, tuple[BlockKind, str]] = {
    "output_text": ("text", "text"),
    "refusal": ("refusal", "refusal"),
    "reasoning_text": ("reasoning", "text"),
    "summary_text": ("summary", "text"),
}
_CALLS: dict[str, tuple[BlockKind, str]] = {
    "function_call": ("tool", "arguments"),
    "custom_tool_call": ("free_tool", "input"),
}


def part_kind(part: dict[str, Any]) -> tuple[BlockKind, str]:
    """Return what block a part is, and which field has its text. Raises: BadAnswer."""
    kind = text_in(part, "type")
    if kind not in _PARTS:
        raise BadAnswer(f"the answer has a part {kind!r}, which cannot be put into another API")
    return _PARTS[kind]


class Blocks:
    """Numbers the blocks of a stream. All may raise: BadAnswer."""

    def __init__(self) -> None:
        self._numbers = count()

    def piece(
        self, block: Growing, text: str, logprobs: list[dict[str, Any]] | None = None
    ) -> Delta:
        """Add to an open block."""
        if block.closed:
            raise BadAnswer("there is more of a block that was whole")
        block.pieces.append(text)
        block.logged = block.logged or logprobs is not None
        return Delta(block.index, text, logprobs)

    def first(
        self, slot: Slot, block: Growing, text: str, logprobs: list[dict[str, Any]] | None
    ) -> Iterator[Event]:
        """Add to a block that has not opened."""
        if slot.calls and not slot.name:
            block.pieces.append(text)  # until its name is known
            return
        yield from self._open(slot, block)
        yield self.piece(block, text, logprobs)

    def announced(self, slot: Slot) -> Iterator[Event]:
        """Open a call, which means something before it has arguments; others wait for words."""
        if slot.calls and slot.name:
            block = slot.block(_CALLS[slot.kind][0], 0)
            if block.index < 0:
                yield from self._open(slot, block)

    def fill(
        self, slot: Slot, kind: BlockKind, place: int, fields: dict[str, Any], name: str
    ) -> Iterator[Event]:
        """Add what of a block had not come."""
        block, whole = slot.block(kind, place), text_in(fields, name)
        if slot.calls and not slot.name:
            block.pieces[:] = [whole] if whole else block.pieces
            return
        if block.index < 0:
            yield from self._open(slot, block)
        rest = ""
        if whole:
            rest = _rest("".join(block.pieces), whole, slot)
            # What it is held against the next time has the same spelling.
            block.pieces[:] = [whole.removesuffix(rest)]
        logprobs = None if block.logged else read_logprobs(fields)
        if rest or (logprobs and not block.closed):
            yield self.piece(block, rest, logprobs)

    def item_done(self, slot: Slot, item: dict[str, Any]) -> Iterator[Event]:
        """Fill and close all blocks of an item, once."""
        if slot.done:
            if slot.calls and not slot.fits(item, text_in(item, _CALLS[slot.kind][1])):
                raise BadAnswer("a call that was whole is said to be another")
            return
        slot.done = True
        if slot.calls:
            kind, name = _CALLS[slot.kind]
            yield from self.fill(slot, kind, 0, item, name)
            if not slot.name:
                raise BadAnswer("there is a call without the name of its tool")
        for name in ("content",) if slot.kind == "message" else ("summary", "content"):
            for place, part in enumerate(list_in(item, name)):
                part_of, text = part_kind(part)
                yield from self.fill(slot, part_of, place, part, text)
        kept = text_in(item, "encrypted_content")
        sealed, sealed_by, _ = read_encrypted(slot.id, kept) if kept else ("", "", False)
        if sealed and all(block.closed for block in slot.blocks.values()):
            yield from self._open(slot, slot.block("redacted", 0))
        yield from self._close(slot, sealed, sealed_by)

    def left_out(self, slot: Slot) -> Iterator[Event]:
        """End an item that no event had whole, for what came of it."""
        if slot.kind == "function_call" and not slot.done:
            arguments = "".join(slot.block("tool", 0).pieces)
            if _json(arguments) == arguments:
                raise BadAnswer("the answer ended before a call was whole")
        yield from self.item_done(slot, {})

    def part_done(self, slot: Slot, kind: BlockKind, place: int) -> Iterator[Event]:
        """Close one block."""
        block = slot.block(kind, place)
        if not block.closed:
            block.closed = True
            yield Close(block.index)

    def _open(self, slot: Slot, block: Growing) -> Iterator[Event]:
        if slot.kind == "reasoning":
            # what is sealed comes with the last block of a thought, so the last stays open
            yield from self._close(slot)
        block.index = next(self._numbers)
        slot.going.append(block)
        if slot.kind == "reasoning":
            yield Open(block.index, block.kind, slot.id, group=slot.number)
        else:
            call_id = slot.call_id or slot.id if slot.calls else ""
            yield Open(block.index, block.kind, call_id, slot.name)
        if block.pieces:
            yield Delta(block.index, "".join(block.pieces))

    def _close(self, slot: Slot, sealed: str = "", sealed_by: Sealer = "") -> Iterator[Event]:
        """Close the blocks of an item; what is sealed is with the last."""
        growing = [block for block in slot.going if not block.closed]
        slot.going.clear()
        for block in growing:
            block.closed = True
            last = block is growing[-1]
            yield Close(block.index, sealed if last else "", sealed_by if last else "")


def _rest(come: str, whole: str, slot: Slot) -> str:
    """Return what of a whole text had not come yet. Raises: BadAnswer, where it is another."""
    if not whole:
        return ""
    if whole.startswith(come):
        return whole[len(come) :]
    same = _json(come) == _json(whole) if slot.kind == "function_call" else False
    if not same and come.strip() != whole.strip():
        raise BadAnswer("what came of the answer is not what it is said to be at its end")
    return ""


def _json(text: str) -> Any:
    try:
        return decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text
