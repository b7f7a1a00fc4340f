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

__all__ = ["SHORT", "approval_json", "end", "line", "read_approval", "visible", "whole"]

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
        (0x1D159, 0x1D159),  # a note without a head
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

    ``call`` is JSON as ASCII text, for ``read_approval``: a socket takes no text that is not
    UTF-8, nor each number.
    """
    call = approval.call
    asked = {"target": call.target, "rule": call.rule, "arguments": call.read_arguments()}
    return {
        "id": approval.id,
        "state": approval.state,
        "peer": call.peer,
        "key": call.key,
        "action": call.action,
        "call": json.dumps(asked),
        "at": approval.at,
        "until": approval.until,
        "repeats": approval.repeats,
    }


def read_approval(told: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Return what ``approval_json`` gave with target, rule and arguments in the place of call."""
    rest = {name: value for name, value in told.items() if name != "call"}
    return {**rest, **json.loads(told["call"])}


def whole(read: Mapping[str, JSON], now: float) -> Sequence[str]:
    """Return the lines that show all of an approval; ``now`` is in seconds since 1970."""
    arguments = visible(read["arguments"], indent=2).replace("\n", "\n  ")
    return [
        f"{read['id']}: {_state(read, now)}",
        f"  {read['peer']} asks for the {read['action']} {visible(read['target'])}",
        f"  key: {read['key'] or 'none, it is a client of this node'}",
        f"  rule: {_plain(read['rule'])}",
        f"  arguments: {arguments}",
    ]


def line(read: Mapping[str, JSON], now: float) -> str:
    """Return an approval on one line, with the beginning of its arguments."""
    arguments = visible(read["arguments"])
    if len(arguments) > SHORT:
        more = len(arguments) - SHORT
        arguments = f"{arguments[:SHORT]}... ({more} characters more: approvals show {read['id']})"
    what = f"{read['peer']}  {read['action']} {visible(read['target'])}"
    return f"{read['id']}  {what}  {_state(read, now)}  {arguments}"


def _plain(text: str) -> str:
    """Return text as ``visible`` has it, without quotes around it."""
    return visible(text)[1:-1].replace('\\"', '"')


def end(read: Mapping[str, JSON]) -> str:
    """Return when an approval ends, or the wait for one."""
    return datetime.fromtimestamp(read["until"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _state(read: Mapping[str, JSON], now: float) -> str:
    until = end(read)
    since = ago(now - read["at"])
    if read["state"] == "pending":
        return f"waits, asked {since}, ends {until}"
    times = "any number of times" if read["repeats"] else "once"
    word = f"allowed {times}" if read["state"] == "allowed" else "refused"
    return f"{word} {since}, ends {until}"
