"""The items of a Responses answer as they grow, and how the events about them are called."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import attrs
import msgspec

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.answer import BlockKind

__all__ = [
    "ITEM_KINDS",
    "SPELLINGS",
    "Fields",
    "Item",
    "ItemKind",
    "Part",
    "Spelling",
]

ItemKind = Literal["message", "reasoning", "function_call", "custom_tool_call"]
Fields = dict[str, Any]


class Spelling(msgspec.Struct, frozen=True):
    """How the events about a block are called.

    Attributes:
        added, closed: about its part; empty where it has none.
        delta, done: about its text.
        text: the field that has the whole text when it is done.
        place: the field that has the number of the part.
    """

    delta: str
    done: str
    text: str = "text"
    added: str = "response.content_part.added"
    closed: str = "response.content_part.done"
    place: str = "content_index"


SPELLINGS: dict[BlockKind, Spelling] = {
    "text": Spelling("response.output_text.delta", "response.output_text.done"),
    "refusal": Spelling("response.refusal.delta", "response.refusal.done", "refusal"),
    "reasoning": Spelling("response.reasoning_text.delta", "response.reasoning_text.done"),
    "summary": Spelling(
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "text",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "summary_index",
    ),
    "tool": Spelling(
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "arguments",
        "",
        "",
        "",
    ),
    "free_tool": Spelling(
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "input",
        "",
        "",
        "",
    ),
}
ITEM_KINDS: dict[BlockKind, ItemKind] = {
    "text": "message",
    "refusal": "message",
    "reasoning": "reasoning",
    "summary": "reasoning",
    "redacted": "reasoning",
    "tool": "function_call",
    "free_tool": "custom_tool_call",
}


@attrs.define(eq=False)
class Part:
    """A block, as a part of an item, or as the whole of a call.

    Attributes:
        number: its place among the parts of its kind.
        spelling: None for what has no text.
    """

    kind: BlockKind
    item: Item
    number: int
    spelling: Spelling | None
    pieces: list[str] = attrs.field(factory=list)
    logprobs: list[Fields] = attrs.field(factory=list)
    closed: bool = False

    @property
    def whole(self) -> str:
        """The text as far as it has come."""
        return "".join(self.pieces)

    def value(self) -> Fields:
        """Return it as a part of its item."""
        words = self.whole
        match self.kind:
            case "text":
                return {
                    "type": "output_text",
                    "annotations": [],
                    "logprobs": list(self.logprobs),
                    "text": words,
                }
            case "refusal":
                return {"type": "refusal", "refusal": words}
            case "summary":
                return {"type": "summary_text", "text": words}
        return {"type": "reasoning_text", "text": words}

    def place(self) -> Fields:
        """Return where it is, as the events about it say it."""
        found: Fields = {"item_id": self.item.id, "output_index": self.item.number}
        if self.spelling is not None and self.spelling.place:
            found[self.spelling.place] = self.number
        return found


@attrs.define(eq=False)
class Item:
    """An item of the output.

    Attributes:
        number: its place in the output.
        group: of a thought, see ``Open``.
        namespace: of a call, the part of the tool's name that stands before ``name``.
        encrypted: of a thought, what only its maker reads.
        places: how many parts there are, by what their places are called.
        going: how many blocks of it are not closed.
    """

    kind: ItemKind
    id: str
    number: int
    group: int = -1
    call_id: str = ""
    name: str = ""
    namespace: str = ""
    parts: list[Part] = attrs.field(factory=list)
    encrypted: str = ""
    done: bool = False
    places: Counter[str] = attrs.field(factory=Counter)
    going: int = 0

    @property
    def is_open(self) -> bool:
        """Whether a block of it may go on."""
        return self.going > 0

    def add(self, kind: BlockKind) -> Part:
        """Return a part for a block that opens."""
        spelling = SPELLINGS.get(kind)
        place = spelling.place if spelling is not None else ""
        part = Part(kind, self, self.places[place], spelling)
        self.places[place] += 1
        self.going += 1
        self.parts.append(part)
        return part

    def value(self, status: str = "completed") -> Fields:
        """Return it as far as it has come."""
        match self.kind:
            case "message":
                content = [part.value() for part in self.parts]
                said = {"role": "assistant", "status": status, "content": content}
                return {"type": "message", "id": self.id, **said}
            case "reasoning":
                return self._thought()
        field = "arguments" if self.kind == "function_call" else "input"
        call: Fields = {
            "type": self.kind,
            "id": self.id,
            "call_id": self.call_id,
            "name": self.name,
            field: "".join(part.whole for part in self.parts),
        }
        if self.namespace:
            call["namespace"] = self.namespace
        return {**call, "status": status}

    def _thought(self) -> Fields:
        summary = [part.value() for part in self.parts if part.kind == "summary"]
        content = [part.value() for part in self.parts if part.kind == "reasoning"]
        found: Fields = {"type": "reasoning", "id": self.id, "summary": summary}
        if content:
            found["content"] = content
        if self.encrypted:
            found["encrypted_content"] = self.encrypted
        return found
