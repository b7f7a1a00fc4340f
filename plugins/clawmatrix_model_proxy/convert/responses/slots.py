"""Which output item an event of a Responses stream is about.

Servers number items, name them, do both, or change the names from event to event. So an event
belongs to the item it names, else to the one it numbers, else to the last of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_core import Bound
from clawmatrix_model_proxy.neutral.arguments import Arguments
from clawmatrix_model_proxy.neutral.codec import BadAnswer

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import BlockKind

__all__ = [
    "ITEMS",
    "Growing",
    "Slot",
    "Slots",
    "as_text",
    "list_in",
    "number_in",
    "object_in",
    "text_in",
]

ITEMS = Bound(
    256,
    "items of a Responses answer that is converted: each is looked for among the others",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)

_encode = msgspec.json.Encoder().encode
_TEXTS = {"function_call": "arguments", "custom_tool_call": "input"}
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


def number_in(event: dict[str, Any]) -> int | None:
    """Return the number of an event's item, None where it has none."""
    value = event.get("output_index")
    if type(value) is int:
        return value
    if isinstance(value, str | float):
        try:
            return int(float(value))
        except (ValueError, OverflowError):
            return None
    return None


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
        index: the number that the upstream gave it.
        blocks: by their kind and their place in the item.
        going: those that opened since all that were open were closed.
        latest: of each kind the place that events without one are about.
        added: an event announced it.
        done: it came whole.
    """

    kind: str
    number: int
    index: int | None = None
    id: str = ""
    call_id: str = ""
    name: str = ""
    blocks: dict[tuple[BlockKind, int], Growing] = attrs.field(factory=dict)
    going: list[Growing] = attrs.field(factory=list)
    latest: dict[BlockKind, int] = attrs.field(factory=dict)
    added: bool = False
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

    def told_by(self, item_id: Any, index: int | None) -> bool:
        """Say whether an event with an id and a number tells of this item once more."""
        return self.id == item_id and (index is None or self.index in (None, index))

    def fits(self, item: dict[str, Any], text: str) -> bool:
        """Say whether an item may be this one: a call by its names and its arguments."""
        if not self.calls:
            return True
        for own, said in ((self.call_id, item.get("call_id")), (self.name, item.get("name"))):
            if own and said and own != said:
                return False
        if not text or not self.blocks:
            return True
        come = self._arguments()
        return not come.length or come.same(text) or come.begins(text)

    def _arguments(self) -> Arguments:
        """Return what has come of a call's arguments, which is put together once."""
        found = Arguments()
        for block in self.blocks.values():
            block.pieces[:] = ["".join(block.pieces)]
            found.add(block.pieces[0])
        return found

    def learn(self, item: dict[str, Any]) -> None:
        """Take over the names that an item has. Raises: BadAnswer, for those of another call."""
        for own, name in ((self.call_id, "call_id"), (self.name, "name")):
            if self.calls and own and text_in(item, name) not in ("", own):
                raise BadAnswer(f"a call has another {name} than it began with")
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
        self._shared: set[str] = set()  # ids that several items have

    def of(self, event: dict[str, Any], kind: str) -> Slot:
        """Return the item of a kind that an event is about; a new one where there is none."""
        item_id, number = event.get("item_id"), number_in(event)
        slot = self._named(item_id, number, kind)
        if slot is None and not self._is_new(number):
            slot = self._last(kind)
        if slot is None:
            slot = self._new(kind, number)
            self._learn(slot, {"id": item_id} if isinstance(item_id, str) else {})
        return slot

    def sure(self, event: dict[str, Any], kind: str) -> Slot | None:
        """Return the same, or None where the event may be about several that are open."""
        number = number_in(event)
        named = self._named(event.get("item_id"), number, kind)
        of_kind = [slot for slot in self.all if slot.kind == kind and not slot.done]
        sure = named is not None or len(of_kind) < 2 or self._is_new(number)
        return self.of(event, kind) if sure else None

    def added(self, event: dict[str, Any]) -> Slot:
        """Return the item that an event announces. Raises: BadAnswer."""
        item, number = as_text(object_in(event, "item")), number_in(event)
        kind = _kind(item)
        slot = self._named(item.get("id"), number, kind)
        if slot is None or slot.done or slot.added or (slot.id and slot.id != item.get("id")):
            slot = self._new(kind, number)
        slot.added = True
        return self._learn(slot, item)

    def finished(self, event: dict[str, Any]) -> Slot:
        """Return the item that comes whole with an event. Raises: BadAnswer."""
        item, number = as_text(object_in(event, "item")), number_in(event)
        kind, item_id = _kind(item), item.get("id")
        text = text_in(item, _TEXTS.get(kind, ""))
        slot = self._named(item_id, number, kind)
        if slot is None or not slot.fits(item, text if slot.done else ""):
            slot = self._fitting(item, kind, text)
        if slot is None and not self._is_new(number):
            last = self._last(kind)
            near = last is not None and (not last.id or not item_id) and last.fits(item, text)
            slot = last if near else None
        if slot is None or (slot.done and not slot.told_by(item_id, number)):
            slot = self._new(kind, number)
        return self._learn(slot, item)

    def final(self, number: int, item: dict[str, Any], taken: set[Slot]) -> Slot:
        """Return the item that stands in the whole response. Raises: BadAnswer."""
        kind = _kind(item)
        text = text_in(item, _TEXTS.get(kind, ""))
        rest = [slot for slot in self.all if slot.kind == kind and slot not in taken]
        rest = [slot for slot in rest if slot.fits(item, text)]
        for name in ("id", "call_id"):
            named = [slot for slot in rest if text_in(item, name) == getattr(slot, name) != ""]
            if named:
                return self._learn(named[0], item)
        numbered = self._by_number.get(number)
        fitting = [slot for slot in rest if text_in(item, "call_id") in ("", slot.call_id)]
        if numbered is not None and numbered in fitting:
            return self._learn(numbered, item)
        others = set(self._by_number.values())
        fitting = [slot for slot in fitting if slot.calls or slot not in others]
        return self._learn(fitting[0] if fitting else self._new(kind, None), item)

    def _named(self, item_id: Any, number: int | None, kind: str) -> Slot | None:
        slot = self._by_id.get(item_id) if type(item_id) is str else None
        if slot is None or item_id in self._shared:
            slot = self._by_number.get(number, slot) if number is not None else slot
        return slot if slot is not None and slot.kind == kind else None

    def _is_new(self, number: int | None) -> bool:
        return number is not None and number not in self._by_number

    def _fitting(self, item: dict[str, Any], kind: str, text: str) -> Slot | None:
        """Return the call that an item without the right names is: the first that it may be."""
        rest = [slot for slot in self.all if slot.kind == kind and slot.calls]
        called = [slot for slot in rest if slot.call_id == item.get("call_id") != ""]
        open_ones = [slot for slot in rest if not slot.done and slot.fits(item, text)]
        return next(iter(called or open_ones), None)

    def _last(self, kind: str) -> Slot | None:
        of_kind = (slot for slot in reversed(self.all) if slot.kind == kind)
        return next((slot for slot in of_kind if not slot.done), None)

    def _new(self, kind: str, number: int | None) -> Slot:
        if len(self.all) == ITEMS:
            raise BadAnswer(f"the answer has more than {ITEMS} items")
        slot = Slot(kind, len(self.all), number)
        self.all.append(slot)
        if number is not None:
            self._by_number[number] = slot
        return slot

    def _learn(self, slot: Slot, item: dict[str, Any]) -> Slot:
        slot.learn(item)
        for name in (slot.id, slot.call_id):  # some servers name a call's item by the call
            if name and self._by_id.setdefault(name, slot) is not slot:
                self._shared.add(name)
        return slot


def as_text(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what an event says of a call, with its arguments as text: some servers give the
    object. Raises: BadAnswer.
    """
    given = fields.get("arguments")
    if not isinstance(given, dict):
        return fields
    try:
        return {**fields, "arguments": _encode(given).decode() if given else ""}
    except RecursionError:
        raise BadAnswer("the arguments of a call are nested too deep") from None


def _kind(item: dict[str, Any]) -> str:
    kind = text_in(item, "type")
    if kind not in _KNOWN:
        raise BadAnswer(f"the answer has an item {kind!r}, which cannot be put into another API")
    return kind
