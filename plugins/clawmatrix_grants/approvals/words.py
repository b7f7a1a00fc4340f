"""A call as people see it: whole, and with nothing in it that could hide from them. No I/O."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from clawmatrix_core import ago

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_grants.approvals.table import Approval

__all__ = ["SHORT", "approval_json", "line", "visible", "whole"]

SHORT: Final = 80
"""Characters of arguments that a list shows."""

_HIDDEN: Final = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),  # joins two characters
        (0x115F, 0x1160),  # fill a syllable
        (0x17B4, 0x17B5),  # vowels that are not written
        (0x180B, 0x180F),  # choose a variant of the character before
        (0x2800, 0x2800),  # a pattern without dots
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
"""Characters that have no shape, and are printable for ``str.isprintable``."""


def visible(value: JSON, *, indent: int | None = None) -> str:
    r"""Return a value as JSON in which each character can be seen.

    In the place of control characters, of marks that change the direction of text, and of
    characters without a shape it has ``\uXXXX``. JSON doubles a backslash, so that no text can
    look as if it had such a character.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char == "\n" or _has_shape(char) else _escape(char) for char in text)


def _has_shape(char: str) -> bool:
    return char.isprintable() and char not in _HIDDEN


def _escape(char: str) -> str:
    return json.dumps(char)[1:-1] if char != "\x7f" else r"\u007f"


def approval_json(approval: Approval) -> JSON:
    """Return an approval for the control socket, with all that the call has.

    ``arguments`` is JSON text: it may have numbers that not every reader takes.
    """
    call = approval.call
    return {
        "id": approval.id,
        "state": approval.state,
        "peer": call.peer,
        "key": call.key,
        "action": call.action,
        "target": visible(call.target)[1:-1],
        "arguments": call.arguments,
        "rule": visible(call.rule)[1:-1],
        "at": approval.at,
        "until": approval.until,
        "repeats": approval.repeats,
    }


def whole(told: Mapping[str, JSON], now: float) -> Sequence[str]:
    """Return the lines that show all of an approval; ``now`` is in seconds since 1970."""
    return [
        f"{told['id']}: {_state(told, now)}",
        f'  {told["peer"]} asks for the {told["action"]} "{told["target"]}"',
        f"  key: {told['key'] or 'none, it is a client of this node'}",
        f"  rule: {told['rule']}",
        f"  arguments: {_indented(told['arguments'])}",
    ]


def line(told: Mapping[str, JSON], now: float) -> str:
    """Return an approval on one line, with the beginning of its arguments."""
    arguments = visible(json.loads(told["arguments"]))
    if len(arguments) > SHORT:
        more = len(arguments) - SHORT
        arguments = f"{arguments[:SHORT]}... ({more} characters more: approvals show {told['id']})"
    what = f'{told["peer"]}  {told["action"]} "{told["target"]}"'
    return f"{told['id']}  {what}  {_state(told, now)}  {arguments}"


def _state(told: Mapping[str, JSON], now: float) -> str:
    until = datetime.fromtimestamp(told["until"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    since = ago(now - told["at"])
    if told["state"] == "pending":
        return f"waits, asked {since}, ends {until}"
    times = "any number of times" if told["repeats"] else "once"
    word = f"allowed {times}" if told["state"] == "allowed" else "refused"
    return f"{word} {since}, ends {until}"


def _indented(arguments: str) -> str:
    return visible(json.loads(arguments), indent=2).replace("\n", "\n  ")
