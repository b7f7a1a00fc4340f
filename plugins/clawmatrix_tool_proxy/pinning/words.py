"""What people see of pins: definitions and how they changed, with nothing hidden in them."""

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON

__all__ = ["change_lines", "owner_lines", "status_lines"]

_SHAPELESS: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters without a shape that are printable for ``str.isprintable``."""


def change_lines(item: JSON) -> Iterator[str]:
    """Yield what waits, as ``tools.waiting`` tells it: the definition, or how it changed."""
    head = f"{item['kind']} {item['name']}: {_visible(item['tool'])} {_WHY[item['why']]}"
    if item["definition"] is None:
        yield f"{head}, and cannot be accepted: its definition is no JSON, or too much waits"
        return
    yield head
    new = _lines(item["definition"])
    if item["why"] == "changed" and item["before"] is None:
        yield "  the definition before is not kept; this is all of the new one:"
    old = [] if item["before"] is None else _lines(item["before"])
    for line in difflib.unified_diff(old, new, n=3, lineterm=""):
        if not line.startswith(("---", "+++")) or line[3:4] != " ":
            yield f"  {line}"


_WHY: Final = {"added": "is new", "changed": "has changed"}


def owner_lines(owner: JSON) -> Iterator[str]:
    """Yield what is pinned of one owner and what waits, as ``tools.pins`` tells it."""
    pinned, waiting = owner["pinned"], owner["waiting"]
    yield f"{owner['kind']} {owner['name']} ({owner['mark']}): {len(pinned)} pinned"
    for name in sorted({*pinned, *waiting}):
        why = f"  waits: it {_WHY[waiting[name]]}" if name in waiting else ""
        yield f"    {_visible(name)}{why}"


def status_lines(waiting: JSON, *, lost: bool) -> Iterator[str]:
    """Yield what waits, for the status."""
    if lost:
        yield "the pins of tools are lost: clawmatrix tools accept --all"
    for one in waiting:
        count = len(one["tools"])
        waits = "tool waits" if count == 1 else "tools wait"
        name = one["name"]
        yield f"{count} {waits} of {one['kind']} {name}: clawmatrix tools accept {name}"


def _lines(text: str) -> list[str]:
    return _visible(json.dumps(json.loads(text), ensure_ascii=False, indent=2)).split("\n")


def _visible(text: str) -> str:
    """Return a text with an escape of JSON for each character that people would not see."""
    return "".join(char if char == "\n" or _has_shape(char) else _escape(char) for char in text)


def _has_shape(char: str) -> bool:
    return char.isprintable() and _SHAPELESS.match(char) is None


def _escape(char: str) -> str:
    return json.dumps(char)[1:-1] if char != "\x7f" else r"\u007f"
