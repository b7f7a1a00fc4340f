"""A piece of a call in a stream of chat completions, and what it is to the call before it.

A server says by index, id and name which call a piece belongs to. There are servers that leave
each of these out, repeat it in every piece, or give all calls the same. Whether the arguments are
whole decides then. Where nothing decides, the answer ends with an error: two calls are never put
together, and none is made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs
import msgspec

from clawmatrix_model_proxy.convert.chat.call_seals import answer_seal
from clawmatrix_model_proxy.convert.chat.message_reader import read_arguments
from clawmatrix_model_proxy.neutral.arguments import Arguments, opens
from clawmatrix_model_proxy.neutral.fields import Fields, bad_answer

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_model_proxy.neutral.codec import BadAnswer

__all__ = [
    "Call",
    "Key",
    "Piece",
    "Relation",
    "cannot_tell",
    "grown_name",
    "is_half_name",
    "is_name",
    "read_piece",
    "relation",
]

Relation = Literal["more", "name", "again", "grown", "perhaps", "new"]
"""What a piece is to a call: ``more`` of it; a further part of its ``name``; its arguments once
``again``; all its arguments so far and what they have ``grown`` by; ``perhaps`` the name of another
call, which a next piece will tell; or the beginning of a ``new`` one."""

Key = int | str | float
"""What a server numbers a call with."""


class Piece(msgspec.Struct, frozen=True):
    """A piece of a call; what it does not say is empty.

    Attributes:
        index: the call's number, None where it is not said.
        text: a piece of the arguments.
        free: the call takes text.
        whole: the arguments are an object, not a text.
        blank: that is empty: some servers begin every call with one.
    """

    index: Key | None
    id: str
    name: str
    text: str
    free: bool
    whole: bool = False
    blank: bool = False
    sealed: str = ""
    sealed_by: str = ""


@attrs.define(eq=False)
class Call:
    """A call as far as it has come. Its block opens when its name is known.

    Attributes:
        id: the upstream's, empty where it gave none.
        index: the number under which it began.
        block: its number, None while it is not open.
        early: arguments that came before the block opened.
        pieces, with_name: how many pieces there were, and how many of them had the name.
        blank: an empty object came in place of arguments.
        odd: not all that tells its pieces from those of others was there.
        perhaps: a name came behind whole arguments, without any of its own.
        sealed, sealed_by: what the maker put on it.
    """

    id: str = ""
    name: str = ""
    index: Key | None = None
    free: bool = False
    block: int | None = None
    early: list[str] = attrs.field(factory=list)
    arguments: Arguments = attrs.field(factory=Arguments)
    pieces: int = 0
    with_name: int = 0
    blank: bool = False
    odd: bool = False
    perhaps: bool = False
    closed: bool = False
    sealed: str = ""
    sealed_by: str = ""


def read_piece(fields: Fields) -> Piece:
    """Read a piece of a call, or a whole one. Raises: BadAnswer."""
    kind = fields.take("type", str)
    if kind not in (None, "", "function", "custom"):
        raise bad_answer(fields.at("type"), f"no call of the type {kind!r} is known")
    free = kind == "custom" or (not kind and fields.left.get("custom") is not None)
    inner = _inner(fields, "custom" if free else "function")
    given = inner.left.get("input" if free else "arguments")
    text = read_arguments(given, inner.at("arguments"), bad_answer)
    return Piece(
        _key(fields.left.pop("index", None), fields.at("index")),
        _id(fields.left.pop("id", None), fields.at("id")),
        inner.take("name", str) or "",
        text,
        free,
        isinstance(given, dict),
        given == {},
        *answer_seal(fields),
    )


def _inner(fields: Fields, kind: str) -> Fields:
    """Return what a call is of; some servers leave out the object that has it."""
    said = fields.take(kind, dict)
    return fields if said is None else Fields(said, fields.at(kind), bad_answer)


def _key(value: Any, where: str) -> Key | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | None):
        raise bad_answer(where, "must be a whole number")
    number: Key | None = value.strip() if isinstance(value, str) else value
    if isinstance(number, str):
        try:
            number = float(number)
        except ValueError:
            return number or None
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number


def _id(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise bad_answer(where, "must be a string")
    return "" if value is None else str(value)


# --- what belongs together


def relation(call: Call, piece: Piece, tools: Collection[str]) -> Relation:
    """Return what a piece is to the call that its index, its id or its place puts it to.

    Args:
        call: the call.
        piece: what came.
        tools: the names that calls may have, empty where they are not known.

    Raises: BadAnswer, where nothing tells.
    """
    other_id = bool(piece.id and call.id and piece.id != call.id)
    if not piece.name:
        return _without_name(call, piece, other_id=other_id)
    if not call.name:
        return "new" if other_id or _begins_anew(call, piece) else "more"
    if grown_name(call, piece, tools):
        return "name"
    if piece.name != call.name:
        return _of_other_name(call, piece, tools, other_id=other_id)
    if other_id or call.free:
        return _of_same_name(call, piece, other_id=other_id)
    return _named_again(call, piece)


def grown_name(call: Call, piece: Piece, tools: Collection[str]) -> str:
    """Return the name of a call with a further part of it; empty where it is none."""
    if call.block is not None or call.arguments.length or is_name(call.name, tools):
        return ""
    joined = call.name + piece.name
    if piece.name not in tools and any(tool.startswith(joined) for tool in tools):
        return joined
    # Some servers tell the whole name so far in each piece.
    grown = call.name not in tools and piece.name.startswith(call.name) and piece.name != call.name
    return piece.name if grown and any(tool.startswith(piece.name) for tool in tools) else ""


def is_name(name: str, tools: Collection[str]) -> bool:
    """Say whether a name is a whole one: that of a tool, and not the beginning of another's."""
    if name not in tools:
        return not tools
    return not any(tool.startswith(name) and tool != name for tool in tools)


def is_half_name(name: str, tools: Collection[str]) -> bool:
    """Say whether a name is no tool's, and the beginning or the end of one."""
    ends = (tool.startswith(name) or tool.endswith(name) for tool in tools)
    return name not in tools and any(ends)


def _begins_anew(call: Call, piece: Piece) -> bool:
    return call.arguments.whole and opens(piece.text)


def _without_name(call: Call, piece: Piece, *, other_id: bool) -> Relation:
    if other_id and (not call.name or (call.blank and opens(piece.text))):
        return "new"  # its name is still to come
    if call.blank and piece.whole:
        raise cannot_tell(call)
    if call.free or not opens(piece.text) or call.arguments.empty:
        return "more"
    if not call.arguments.whole:
        return "grown" if call.arguments.begins(piece.text) else "more"
    # A call that begins has a name: one that came before, or none ever.
    return "again" if not call.perhaps and call.arguments.same(piece.text) else "new"


def _of_other_name(call: Call, piece: Piece, tools: Collection[str], *, other_id: bool) -> Relation:
    if other_id or call.arguments.whole or call.free:
        return "new"
    longer = piece.name.startswith(call.name)
    if call.arguments.empty and (call.name in tools or piece.name in tools) and not longer:
        return "new"
    raise cannot_tell(call)


def _of_same_name(call: Call, piece: Piece, *, other_id: bool) -> Relation:
    """Return what a piece is with the name of the call and another id, or of a call with text."""
    if call.free:
        if other_id or not (call.arguments.length and piece.text) or piece.id:
            return "new" if other_id else "more"
        raise cannot_tell(call)
    if call.arguments.whole:
        return "new"
    if call.arguments.empty and not piece.text:
        return "new"
    if call.arguments.empty or opens(piece.text):
        raise cannot_tell(call)
    return "more"  # the server makes an id for each piece


def _named_again(call: Call, piece: Piece) -> Relation:
    if call.arguments.strange and piece.text:
        raise cannot_tell(call)
    if not call.arguments.whole:
        return "grown" if call.arguments.begins(piece.text) else "more"
    if not piece.text.strip():
        return "more" if piece.id and piece.id == call.id else "perhaps"
    # A name behind whole arguments begins another call, unless they came in pieces and are
    # told once more as one.
    streamed = call.pieces > 1 or (piece.id and piece.id == call.id)
    return "again" if streamed and call.arguments.same(piece.text) else "new"


def cannot_tell(call: Call) -> BadAnswer:
    """Return the error for a piece that may be of one call or of another."""
    message = f"nothing tells whether there is one call of {call.name!r} or there are two"
    return bad_answer("choices[0].delta.tool_calls", message)
