"""Which output item an event of a Responses stream is about.

Servers number items, name them, do both, or change the names from event to event. So an event
belongs to the item it names, else to the one it numbers, else to the last of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core import Bound
from clawmatrix_model_proxy.neutral.codec import BadAnswer

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import BlockKind

__all__ = ["ITEMS", "Growing", "Slot", "Slots", "list_in", "object_in", "text_in"]

ITEMS = Bound(
    256,
    "items of a Responses answer that is converted: each is looked for among the others",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)

_KNOWN = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})


def text_in(fields: dict[str, Any], name: str) -> str:
    """Return a text, empty where there is none. Raises: BadAnswer."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadAnswer(f"{name} is not a string")
    return value


def object_in(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object. Raises: BadAnswer."""
    value = fields.get(name)
    if not isinstance(value, dict):
        raise BadAnswer(f"{name} is not an object")
    return value


def list_in(fields: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return an array of objects, empty where there is none. Raises: BadAnswer."""
    value = fields.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise BadAnswer(f"{name} is not an array of objects")
    return value


@attrs.define(eq=False)
class Growing:
    """A block of an item, as far as it was read.

    Attributes:
        index: its number among all blocks, -1 before it opens.
        logged: logprobs came for it.
    """

    kind: BlockKind
    index: int = -1
    pieces: list[str] = attrs.field(factory=list)
    logged: bool = False
    closed: bool = False


@attrs.define(eq=False)
class Slot:
    """An output item, as far as it was read.

    Attributes:
        number: the place at which it came.
        blocks: by their kind and their place in the item.
        going: those that opened since all that were open were closed.
        latest: of each kind the place that events without one are about.
        done: it came whole.
    """

    kind: str
    number: int
    id: str = ""
    call_id: str = ""
    name: str = ""
    blocks: dict[tuple[BlockKind, int], Growing] = attrs.field(factory=dict)
    going: list[Growing] = attrs.field(factory=list)
    latest: dict[BlockKind, int] = attrs.field(factory=dict)
    done: bool = False

    @property
    def calls(self) -> bool:
        """Whether it is a call."""
        return self.kind in ("function_call", "custom_tool_call")

    def block(self, kind: BlockKind, place: int) -> Growing:
        """Return a block, a new one where it is the first time that it is told of."""
        return self.blocks.setdefault((kind, place), Growing(kind))

    def place(self, kind: BlockKind, said: Any) -> int:
        """Return the place of a block, of which an event may say nothing."""
        if type(said) is int:
            self.latest[kind] = said
            return said
        return self.latest.get(kind, 0)

    def announced(self, kind: BlockKind, said: Any) -> None:
        """Note that a block begins; without a place it is the next of its kind."""
        if type(said) is int or (kind, self.latest.get(kind, 0)) not in self.blocks:
            self.place(kind, said)
        else:
            self.latest[kind] = self.latest.get(kind, 0) + 1

    def learn(self, item: dict[str, Any]) -> None:
        """Take over the names that an item has."""
        self.id = self.id or text_in(item, "id")
        self.call_id = self.call_id or text_in(item, "call_id")
        self.name = self.name or text_in(item, "name")


class Slots:
    """The output items of a stream.

    Attributes:
        all: in the order in which they came.
    """

    def __init__(self) -> None:
        self.all: list[Slot] = []
        self._by_number: dict[int, Slot] = {}
        self._by_id: dict[str, Slot] = {}

    def of(self, event: dict[str, Any], kind: str) -> Slot:
        """Return the item of a kind that an event is about; a new one where there is none."""
        item_id, number = event.get("item_id"), event.get("output_index")
        slot = self._named(item_id, number, kind)
        if slot is None and not self._is_new(number):
            slot = self._last(kind)
        if slot is None:
            slot = self._new(kind, number)
            self._learn(slot, {"id": item_id} if isinstance(item_id, str) else {})
        return slot

    def sure(self, event: dict[str, Any], kind: str) -> Slot | None:
        """Return the same, or None where the event may be about several that are open."""
        named = self._named(event.get("item_id"), event.get("output_index"), kind)
        of_kind = [slot for slot in self.all if slot.kind == kind and not slot.done]
        sure = named is not None or len(of_kind) < 2 or self._is_new(event.get("output_index"))
        return self.of(event, kind) if sure else None

    def added(self, event: dict[str, Any]) -> Slot:
        """Return the item that an event announces. Raises: BadAnswer."""
        item, number = object_in(event, "item"), event.get("output_index")
        kind = _kind(item)
        slot = self._named(item.get("id"), number, kind)
        if slot is None or slot.done or (slot.id and slot.id != item.get("id")):
            slot = self._new(kind, number)
        return self._learn(slot, item)

    def finished(self, event: dict[str, Any]) -> Slot:
        """Return the item that comes whole with an event. Raises: BadAnswer."""
        item, number = object_in(event, "item"), event.get("output_index")
        kind, item_id = _kind(item), item.get("id")
        slot = self._named(item_id, number, kind) or self._called(item.get("call_id"), kind)
        if slot is None and not self._is_new(number):
            last = self._last(kind)
            slot = last if last is not None and (not last.id or not item_id) else None
        if slot is None or (slot.done and slot.id != item_id):
            slot = self._new(kind, number)
        return self._learn(slot, item)

    def final(self, number: int, item: dict[str, Any], taken: set[Slot]) -> Slot:
        """Return the item that stands in the whole response. Raises: BadAnswer."""
        kind = _kind(item)
        rest = [slot for slot in self.all if slot.kind == kind and slot not in taken]
        for name in ("id", "call_id"):
            named = [slot for slot in rest if text_in(item, name) == getattr(slot, name) != ""]
            if named:
                return self._learn(named[0], item)
        numbered = self._by_number.get(number)
        fitting = [slot for slot in rest if text_in(item, "call_id") in ("", slot.call_id)]
        if numbered is not None and numbered in fitting:
            return self._learn(numbered, item)
        others = set(self._by_number.values())
        fitting = [slot for slot in fitting if slot not in others]
        return self._learn(fitting[0] if fitting else self._new(kind, None), item)

    def _named(self, item_id: Any, number: Any, kind: str) -> Slot | None:
        slot = self._by_id.get(item_id) if type(item_id) is str else None
        if slot is None and type(number) is int:
            slot = self._by_number.get(number)
        return slot if slot is not None and slot.kind == kind else None

    def _is_new(self, number: Any) -> bool:
        return type(number) is int and number not in self._by_number

    def _called(self, call_id: Any, kind: str) -> Slot | None:
        of_kind = (slot for slot in self.all if slot.kind == kind)
        return next((slot for slot in of_kind if slot.call_id == call_id != ""), None)

    def _last(self, kind: str) -> Slot | None:
        of_kind = (slot for slot in reversed(self.all) if slot.kind == kind)
        return next((slot for slot in of_kind if not slot.done), None)

    def _new(self, kind: str, number: Any) -> Slot:
        if len(self.all) == ITEMS:
            raise BadAnswer(f"the answer has more than {ITEMS} items")
        slot = Slot(kind, len(self.all))
        self.all.append(slot)
        if type(number) is int:
            self._by_number[number] = slot
        return slot

    def _learn(self, slot: Slot, item: dict[str, Any]) -> Slot:
        slot.learn(item)
        for name in (slot.id, slot.call_id):  # some servers name a call's item by the call
            if name:
                self._by_id.setdefault(name, slot)
        return slot


def _kind(item: dict[str, Any]) -> str:
    kind = text_in(item, "type")
    if kind not in _KNOWN:
        raise BadAnswer(f"the answer has an item {kind!r}, which cannot be put into another API")
    return kind
