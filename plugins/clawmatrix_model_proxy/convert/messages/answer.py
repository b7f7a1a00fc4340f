"""Whole answers of the Messages API, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.messages.request_writer import read_arguments
from clawmatrix_model_proxy.convert.messages.usage import (
    read_reason,
    write_reason,
    write_usage,
)
from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.neutral.counts import Counts, usages_in
from clawmatrix_model_proxy.neutral.sealed import mark, sealed_id, unmark

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.neutral.codec import Making

__all__ = [
    "block_kind",
    "call_id",
    "explanation",
    "read_answer",
    "stop_details",
    "words",
    "write_answer",
]

_KINDS = {
    "text": "text",
    "thinking": "reasoning",
    "redacted_thinking": "redacted",
    "tool_use": "tool",
}
_encode = msgspec.json.Encoder().encode


def words(value: dict[str, Any], name: str) -> str:
    """Return a string of an answer, empty where there is none. Raises: BadAnswer."""
    found = value.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise BadAnswer(f"{name} is not a string")
    return found


def call_id(block: dict[str, Any]) -> str:
    """Return the id of a call, empty where there is none. Raises: BadAnswer."""
    number = block.get("id")
    return str(number) if type(number) is int else words(block, "id")


def block_kind(block: Any) -> Any:
    """Return what a block is. Raises: BadAnswer, for those that only Messages clients take."""
    if not isinstance(block, dict):
        raise BadAnswer("a block of content is not an object")
    kind = block.get("type")
    found = _KINDS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise BadAnswer(f"a block of type {kind!r} cannot be put into another API")
    return found


# --- read


def read_answer(body: dict[str, Any]) -> NeutralAnswer:
    """Read an upstream's whole answer. Raises: BadAnswer."""
    content = body.get("content")
    if not isinstance(content, list):
        error = body.get("error")
        said = f": {error.get('message')}" if isinstance(error, dict) else ""
        raise BadAnswer(f"the upstream's answer is no message{said}")
    blocks = [_block(block_kind(block), block) for block in content]
    if refusal := explanation(body):
        blocks.append(Block("refusal", refusal))
    counts = Counts()
    for usage in usages_in(body):
        counts.take(usage)
    return NeutralAnswer(
        words(body, "id"),
        words(body, "model"),
        0,
        tuple(blocks),
        read_reason(body.get("stop_reason"), calls=any(block.kind == "tool" for block in blocks)),
        counts.usage,
        words(body, "stop_sequence") or None,
    )


def explanation(holder: dict[str, Any]) -> str:
    """Return what ``stop_details`` says to people. Raises: BadAnswer."""
    details = holder.get("stop_details")
    return words(details, "explanation") if isinstance(details, dict) else ""


def _block(kind: Any, block: dict[str, Any]) -> Block:
    match kind:
        case "text":
            return Block("text", words(block, "text"))
        case "tool":
            arguments = block.get("input")
            if not isinstance(arguments, dict | str | None):
                raise BadAnswer("the input of a tool is not an object")
            text = arguments if isinstance(arguments, str) else _encode(arguments or {}).decode()
            return Block("tool", text or "{}", call_id(block), words(block, "name"))
        case "redacted":
            sealed, maker = unmark(words(block, "data"), "messages")
            return Block("redacted", sealed=sealed, sealed_by=maker)
        case _:
            sealed, maker = unmark(words(block, "signature"), "messages")
            return Block("reasoning", words(block, "thinking"), sealed=sealed, sealed_by=maker)


# --- write


def write_answer(answer: NeutralAnswer, making: Making) -> dict[str, Any]:
    """Write a whole answer for a client.

    Raises: BadAnswer, for calls of tools whose arguments are not an object.
    """
    kinds = {block.kind for block in answer.blocks}
    reason = write_reason(answer.reason, calls="tool" in kinds, refused="refusal" in kinds)
    cut = answer.reason == "length"
    return {
        "id": answer.id or making.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": answer.model or making.model,
        "content": _content(answer.blocks, making.new_id, cut=cut),
        "stop_reason": reason,
        "stop_sequence": answer.stop_sequence,
        **stop_details(reason),
        "usage": write_usage(answer.usage),
    }


def stop_details(reason: str) -> dict[str, Any]:
    """Return the field that an answer with a refusal has more; its words are in the content."""
    if reason != "refusal":
        return {}
    return {"stop_details": {"type": "refusal", "category": None, "explanation": None}}


def _content(
    blocks: tuple[Block, ...], new_id: Callable[[str], str], *, cut: bool
) -> list[dict[str, Any]]:
    pieces: list[dict[str, Any]] = []
    thought: dict[str, Any] = {}
    group = -1
    for block in blocks:
        thinks = block.kind in ("summary", "reasoning")
        if thinks and group == block.group != -1:
            _lengthen(thought, block)
            continue
        written = _written(block, new_id, cut=cut)
        group = block.group if thinks and written is not None else -1
        if written is not None:
            thought = written
            pieces.append(written)
    return pieces


def _lengthen(thought: dict[str, Any], block: Block) -> None:
    # The paragraphs of a summary are one thought, and so one block.
    if block.text:
        thought["thinking"] += f"\n\n{block.text}" if thought["thinking"] else block.text
    thought["signature"] = _seal(block) or thought["signature"]


def _written(block: Block, new_id: Callable[[str], str], *, cut: bool) -> dict[str, Any] | None:
    match block.kind:
        case "text" | "refusal":
            return {"type": "text", "text": block.text} if block.text else None
        case "tool":
            return {
                "type": "tool_use",
                "id": sealed_id(block.id or new_id("toolu_"), block.sealed, block.sealed_by),
                "name": block.name,
                "input": _input(block, cut=cut),
            }
        case "redacted":
            return {"type": "redacted_thinking", "data": _seal(block)} if block.sealed else None
        case "free_tool":
            raise BadAnswer(f"a call of {block.name!r} with text has no place in Messages")
        case _:
            if not block.text and not block.sealed:
                return None
            return {"type": "thinking", "thinking": block.text, "signature": _seal(block)}


def _seal(block: Block) -> str:
    return mark(block.sealed, block.sealed_by, "messages")


def _input(block: Block, *, cut: bool) -> dict[str, Any]:
    arguments = read_arguments(block.text)
    if arguments is None and cut:
        return {}  # the limit came in the middle of them, as the stop reason says
    if arguments is None:
        raise BadAnswer(f"the arguments of a call of {block.name!r} are not a JSON object")
    return arguments
