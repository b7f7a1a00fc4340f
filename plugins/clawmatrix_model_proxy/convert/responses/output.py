"""The output of a Responses answer, grown by the neutral events.

A run of texts and refusals is one message, blocks of reasoning of one group are one reasoning
item, and a call is an item of its own. An item is done when the next one opens, or, if blocks of
it are open still, when the last of them closes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy.convert.responses.logprobs import write_logprobs
from clawmatrix_model_proxy.convert.responses.namespaces import parted
from clawmatrix_model_proxy.convert.responses.output_items import (
    ITEM_KINDS,
    Fields,
    Item,
    ItemKind,
    Part,
)
from clawmatrix_model_proxy.convert.responses.sealed import encrypted_of
from clawmatrix_model_proxy.neutral.answer import Delta
from clawmatrix_model_proxy.neutral.sealed import sealed_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clawmatrix_model_proxy.neutral.answer import Close, Open
    from clawmatrix_model_proxy.neutral.request import Tool

__all__ = ["Output"]

_PREFIXES: dict[ItemKind, str] = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "custom_tool_call": "ctc_",
}


class Output:
    """Grows by the events of an answer; what each adds is returned as events without numbers.

    Attributes:
        parts: by the numbers of their blocks.
    """

    def __init__(self, new_id: Callable[[str], str], tools: Iterable[Tool] = ()) -> None:
        self.parts: dict[int, Part] = {}
        self._items: list[Item] = []
        self._used: set[str] = set()
        self._new_id = new_id
        self._parted = parted(tools)
        self._status = "completed"

    def open(self, event: Open) -> Iterator[Fields]:
        """Open a block."""
        last = self._items[-1] if self._items else None
        if last is not None and _joins(event, last):
            item = last
        else:
            if last is not None and not last.is_open:
                yield from self._done(last)
            item = self._item(event)
            added = item.value("in_progress")
            yield {"type": "response.output_item.added", "output_index": item.number, "item": added}
        part = self.parts[event.index] = item.add(event.kind)
        if part.spelling is not None and part.spelling.added:
            yield {"type": part.spelling.added, **part.place(), "part": part.value()}

    def delta(self, event: Delta) -> Iterator[Fields]:
        """Add to a block. An empty text is nothing."""
        part = self.parts[event.index]
        part.pieces.append(event.text)
        logprobs = write_logprobs(event.logprobs or ())
        part.logprobs += logprobs
        if part.spelling is None or not (event.text or logprobs):
            return
        found: Fields = {"type": part.spelling.delta, **part.place(), "delta": event.text}
        if part.kind == "text":
            found["logprobs"] = logprobs
        yield found

    def close(self, event: Close) -> Iterator[Fields]:
        """Close a block."""
        part = self.parts[event.index]
        if part.kind == "tool" and not part.whole.strip():
            # Arguments are JSON, which clients read at once, so none are an empty object.
            yield from self.delta(Delta(event.index, "{}"))
        item = part.item
        item.going -= not part.closed
        part.closed = True
        if event.sealed:
            redacted = part.kind == "redacted"
            _, item.encrypted = encrypted_of(event.sealed, event.sealed_by, redacted=redacted)
        yield from _closed(part)
        if item is not self._items[-1] and not item.is_open:
            yield from self._done(item)

    def finish(self, *, whole: bool) -> Iterator[Fields]:
        """End the output; where it is not ``whole``, its last item is not either."""
        for item in self._items:
            if not item.done:
                self._status = (
                    "incomplete" if item is self._items[-1] and not whole else "completed"
                )
                yield from self._done(item)

    def values(self) -> list[Fields]:
        """Return the items, as they are when the output has ended."""
        last = len(self._items) - 1
        return [
            item.value(self._status if number == last else "completed")
            for number, item in enumerate(self._items)
        ]

    def _item(self, event: Open) -> Item:
        kind = ITEM_KINDS[event.kind]
        prefix = _PREFIXES[kind]
        named = kind == "reasoning" and event.id.startswith(prefix)
        item_id = event.id if named and event.id not in self._used else self._new_id(prefix)
        self._used.add(item_id)
        item = Item(kind, item_id, len(self._items), event.group)
        if kind in ("function_call", "custom_tool_call"):
            own_id = event.id or self._new_id("call_")
            item.call_id = sealed_id(own_id, event.sealed, event.sealed_by)
            item.namespace, item.name = self._parted.get(event.name, ("", event.name))
        self._items.append(item)
        return item

    def _done(self, item: Item) -> Iterator[Fields]:
        item.done = True
        yield {
            "type": "response.output_item.done",
            "output_index": item.number,
            "item": item.value(self._status),
        }


def _joins(event: Open, item: Item) -> bool:
    kind = ITEM_KINDS[event.kind]
    if item.done or item.kind != kind:
        return False
    return kind == "message" or (kind == "reasoning" and item.group == event.group != -1)


def _closed(part: Part) -> Iterator[Fields]:
    spelling = part.spelling
    if spelling is None:
        return
    done: Fields = {"type": spelling.done, **part.place(), spelling.text: part.whole}
    if part.kind == "text":
        done["logprobs"] = list(part.logprobs)
    yield done
    if spelling.closed:
        yield {"type": spelling.closed, **part.place(), "part": part.value()}
