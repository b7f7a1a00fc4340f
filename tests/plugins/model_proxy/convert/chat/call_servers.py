"""Servers of chat completions as they differ in how they stream calls: each a way to say index, id,
name and arguments."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ARGUMENTS", "IDS", "INDEXES", "NAMES", "SAID", "Said", "Server", "chunk"]


@attrs.frozen
class Said:
    """A call as the model means it."""

    name: str
    arguments: str

    @property
    def meant(self) -> tuple[str, Any]:
        return self.name, json.loads(self.arguments or "{}")


SAID: dict[str, tuple[Said, ...]] = {
    "one": (Said("weather", '{"city": "Oslo"}'),),
    "two tools": (Said("weather", '{"city": "Oslo"}'), Said("clock", '{"zone": "CET"}')),
    "one tool twice": (Said("weather", '{"city": "Oslo"}'), Said("weather", '{"city": "Bern"}')),
    "without arguments first": (Said("clock", "{}"), Said("weather", '{"city": "Oslo"}')),
    "nested": (Said("find", '{"a": {"b": [{}, {"c": "}{\\""}]}}'), Said("find", '{"a": {}}')),
    "three": (
        Said("weather", '{"city": "\\u00d8"}'),
        Said("clock", '{"zone": "CET"}'),
        Said("weather", '{"city": "Rome", "days": 2}'),
    ),
}
INDEXES = ("right", "none", "all 0", "text", "float", "from 1", "negative", "all text 0")
IDS = ("each", "first", "none", "empty", "changing", "all alike", "numbers")
NAMES = ("first", "each", "pieces", "grown", "late", "null later")
ARGUMENTS = ("pieces", "whole", "object", "again", "grown", "object at the end", "null first")


def chunk(*pieces: Any, reason: str | None = None) -> dict[str, Any]:
    """Return an event with the pieces of calls."""
    delta = {"tool_calls": list(pieces)} if pieces else {}
    return {"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@attrs.frozen
class Server:
    """A way to stream calls; ``together`` sends the pieces of all calls side by side."""

    index: str = "right"
    id: str = "first"
    name: str = "first"
    arguments: str = "pieces"
    together: bool = False

    def events(self, calls: tuple[Said, ...]) -> list[dict[str, Any]]:
        """Return the events of a stream."""
        each = [list(self._pieces(call, at)) for at, call in enumerate(calls)]
        ordered = list(itertools.chain(*each))
        if self.together:
            rows = itertools.zip_longest(*each)
            ordered = [piece for row in rows for piece in row if piece is not None]
        return [*(chunk(piece) for piece in ordered), chunk(reason="tool_calls")]

    def _pieces(self, call: Said, at: int) -> Iterator[dict[str, Any]]:
        texts, names = self._texts(call.arguments), self._names(call.name)
        for number in range(max(len(texts), len(names))):
            text = texts[number] if number < len(texts) else ""
            function: dict[str, Any] = {"arguments": text}
            name = names[number] if number < len(names) else self._later(call.name)
            if name != "":
                function["name"] = name
            piece: dict[str, Any] = {"type": "function", "function": function}
            yield piece | self._index(at) | self._id(at, number)

    def _later(self, name: str) -> str | None:
        return {"each": name, "null later": None}.get(self.name, "")

    def _names(self, name: str) -> list[str]:
        half = len(name) // 2
        match self.name:
            case "pieces":
                return [name[:half], name[half:]]
            case "grown":
                return [name[:half], name]
            case "late":
                return ["", name]
        return [name]

    def _texts(self, whole: str) -> list[Any]:
        third = max(len(whole) // 3, 1)
        cut = [whole[:third], whole[third : 2 * third], whole[2 * third :]]
        empty: list[Any] = [""] * (2 if self.name in ("pieces", "grown") else 1)
        match self.arguments:
            case "whole":
                return [*empty[1:], whole]
            case "object":
                return [*empty[1:], json.loads(whole)]
            case "again":
                return [*empty, *cut, whole]
            case "grown":
                return [*empty, cut[0], cut[0] + cut[1], whole]
            case "object at the end":
                return [*empty, *cut, json.loads(whole)]
            case "null first":
                return [None, *empty[1:], *cut]
        return [*empty, *cut]

    def _index(self, at: int) -> dict[str, Any]:
        numbers: dict[str, Any] = {
            "right": at,
            "all 0": 0,
            "text": str(at),
            "float": float(at),
            "from 1": at + 1,
            "negative": -1 - at,
            "all text 0": "0",
        }
        return {"index": numbers[self.index]} if self.index in numbers else {}

    def _id(self, at: int, number: int) -> dict[str, Any]:
        match self.id:
            case "each":
                return {"id": f"call_{at}"}
            case "first":
                return {"id": f"call_{at}"} if number == 0 else {"id": None}
            case "empty":
                return {"id": ""}
            case "changing":
                return {"id": f"call_{at}_{number}"}
            case "all alike":
                return {"id": "call"}
            case "numbers":
                return {"id": 7000 + at}
        return {}
