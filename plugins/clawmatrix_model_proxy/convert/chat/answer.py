"""Whole chat completions, both ways."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.chat.call_pieces import read_piece
from clawmatrix_model_proxy.convert.chat.call_seals import client_call, thought_seal
from clawmatrix_model_proxy.convert.chat.message_reader import reasoning_of
from clawmatrix_model_proxy.convert.chat.message_seals import MessageSeals, merge
from clawmatrix_model_proxy.convert.chat.usage import (
    read_reason,
    written_reason,
    written_usage,
)
from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer
from clawmatrix_model_proxy.neutral.counts import Counts, usages_in
from clawmatrix_model_proxy.neutral.fields import Fields, bad_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.answer import BlockKind
    from clawmatrix_model_proxy.neutral.codec import Making

__all__ = [
    "THOUGHTS",
    "content_pieces",
    "only_choice",
    "read_answer",
    "read_created",
    "read_logprobs",
    "spare_id",
    "write_answer",
]

THOUGHTS = ("reasoning", "summary")
"""The kinds of block whose text is shown as the model's thoughts."""

Logprobs = list[dict[str, Any]]

_ID_END = 256
"""Characters at the end of an answer's id that ids of its calls are made of, where it has none."""


def read_answer(body: dict[str, Any]) -> NeutralAnswer:
    """Read an upstream's whole answer. Raises: BadAnswer."""
    fields = Fields(body, "", bad_answer)
    if fields.left.get("error"):
        raise bad_answer("error", "an error in place of an answer")
    id = fields.take("id", str) or ""
    choices = fields.need("choices", list)
    if not choices:
        raise bad_answer("choices", "there is none")
    choice = Fields(only_choice(choices), "choices[0]", bad_answer)
    blocks = tuple(_blocks(choice, id))
    kinds = {block.kind for block in blocks}
    said = choice.left.get("finish_reason")
    if said is None and not blocks:
        raise bad_answer("choices[0].finish_reason", "is missing")
    stopped_by = choice.left.get("stop_reason") or choice.left.get("matched_stop")
    reason, words = read_reason(said, kinds, stopped_by)
    counts = Counts()
    for usage in usages_in(body):
        counts.take(usage)
    return NeutralAnswer(
        id,
        fields.take("model", str) or "",
        read_created(fields.left.get("created")),
        blocks,
        reason,
        counts.usage,
        words,
    )


def only_choice(choices: list[Any]) -> dict[str, Any]:
    """Return the one choice of an answer. Raises: BadAnswer, where there are others."""
    choice = choices[0]
    if not isinstance(choice, dict):
        raise bad_answer("choices[0]", "must be an object")
    if len(choices) != 1 or choice.get("index") not in (0, None):
        raise bad_answer("choices", "one answer was asked for")
    return choice


def read_created(value: Any) -> int:
    """Return the time at which an answer was made, 0 where it is not said.

    Servers give fractions of seconds too.
    """
    if isinstance(value, float) and 0 <= value < 1e12:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def spare_id(answer_id: str, number: int) -> str:
    """Return an id for a call that the upstream gave none; empty where nothing tells it apart."""
    # Every call has one, and an upstream's id may be of any length.
    letters = re.sub(r"[^A-Za-z0-9]", "", answer_id.removeprefix("chatcmpl-")[-_ID_END:])
    return f"call_{letters[-24:]}_{number}" if letters else ""


def content_pieces(content: Any) -> Iterator[tuple[BlockKind, str]]:
    """Give the pieces of a content: one text, or the parts of the vendor that has parts here.

    Raises: BadAnswer.
    """
    for kind, fields in _parts(content, "content"):
        if kind == "thinking":
            within = _parts(fields.left.get("thinking"), fields.at("thinking"))
            for inner, text in within:
                yield "reasoning", _text_of(inner, text)
        else:
            yield "text", _text_of(kind, fields)


def _parts(content: Any, where: str) -> Iterator[tuple[str, Fields]]:
    if isinstance(content, str):
        content = [{"type": "text", "text": content}] if content else []
    if content is not None and not isinstance(content, list):
        raise bad_answer(where, "must be a string")
    for number, part in enumerate(content or ()):
        fields = Fields(part, f"{where}[{number}]", bad_answer)
        yield fields.need("type", str), fields


def _text_of(kind: str, fields: Fields) -> str:
    if kind != "text":
        raise bad_answer(fields.at("type"), f"no part {kind!r} is known")
    return fields.need("text", str)


def read_logprobs(choice: dict[str, Any], name: str) -> Logprobs | None:
    """Return the tokens of a choice's text or refusal, None where there are none."""
    logprobs = choice.get("logprobs")
    found = logprobs.get(name) if isinstance(logprobs, dict) else None
    if not isinstance(found, list) or not found:
        return None
    if not all(isinstance(token, dict) and _has_tokens(token) for token in found):
        raise bad_answer(f"logprobs.{name}", "must be a list of objects")
    return found


def _has_tokens(token: dict[str, Any]) -> bool:
    others = token.get("top_logprobs")
    return not others or (
        isinstance(others, list) and all(isinstance(other, dict) for other in others)
    )


def _blocks(choice: Fields, answer_id: str) -> Iterator[Block]:
    message = choice.within("message")
    if message.left.get("audio"):
        raise bad_answer(message.at("audio"), "audio was not asked for")
    seals = MessageSeals()
    seals.take(message.left)
    thoughts, sealed = reasoning_of(message), seals.sealed
    if thoughts or sealed:
        seal = (sealed, "chat" if sealed else "")
        kind: BlockKind = "reasoning" if thoughts else "redacted"
        yield Block(kind, thoughts, "", "", -1, None, *seal)
    logprobs = read_logprobs(choice.left, "content")
    for kind, text in content_pieces(message.left.get("content")):
        of_text = logprobs if kind == "text" else None
        logprobs = None if kind == "text" else logprobs
        yield Block(kind, text, logprobs=of_text)
    refusal = message.take("refusal", str)
    if refusal:
        yield Block("refusal", refusal, logprobs=read_logprobs(choice.left, "refusal"))
    calls = message.take("tool_calls", list) or []
    for number, call in enumerate(calls):
        fields = Fields(call, message.at(f"tool_calls[{number}]"), bad_answer)
        yield _call(fields, spare_id(answer_id, number))
    old = message.left.get("function_call")
    if old is not None and not calls:
        yield _call(Fields({"function": old}, message.where, bad_answer), spare_id(answer_id, 0))


def _call(fields: Fields, spare: str) -> Block:
    piece = read_piece(fields)
    if not piece.name:
        raise bad_answer(fields.at("function.name"), "is missing")
    kind: BlockKind = "free_tool" if piece.free else "tool"
    seal = (piece.sealed, piece.sealed_by)
    return Block(kind, piece.text, piece.id or spare, piece.name, -1, None, *seal)


# --- write


def write_answer(answer: NeutralAnswer, making: Making) -> dict[str, Any]:
    """Write a whole answer for a client."""
    blocks = answer.blocks
    kinds = {block.kind for block in blocks}
    choice = {
        "index": 0,
        "message": _message(blocks, making),
        "logprobs": _logprobs(blocks),
        "finish_reason": written_reason(answer.reason, kinds),
    }
    written = {
        "id": answer.id or making.new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": answer.created or making.created,
        "model": answer.model or making.model,
        "choices": [choice],
    }
    return written if answer.usage is None else written | {"usage": written_usage(answer.usage)}


def _message(blocks: tuple[Block, ...], making: Making) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": _together(blocks, "text"),
        "refusal": _together(blocks, "refusal"),
    }
    thoughts = "\n\n".join(block.text for block in blocks if block.kind in THOUGHTS and block.text)
    if thoughts:
        message["reasoning_content"] = thoughts
    thought = [block for block in blocks if block.kind in (*THOUGHTS, "redacted")]
    for number, block in enumerate(thought):
        merge(message, thought_seal(block, number))
    calls = [block for block in blocks if block.kind in ("tool", "free_tool")]
    if calls:
        message["tool_calls"] = [
            client_call(
                call.id or making.new_id("call_"),
                {"name": call.name, "input": call.text}
                if call.kind == "free_tool"
                else {"name": call.name, "arguments": call.text or "{}"},
                "custom" if call.kind == "free_tool" else "function",
                call.sealed,
                call.sealed_by,
            )
            for call in calls
        ]
    elif message["content"] is None and message["refusal"] is None:
        message["content"] = ""
    return message


def _together(blocks: tuple[Block, ...], kind: BlockKind) -> str | None:
    texts = [block.text for block in blocks if block.kind == kind]
    return "".join(texts) if texts else None


def _logprobs(blocks: tuple[Block, ...]) -> dict[str, Any] | None:
    content, refusal = _tokens(blocks, "text"), _tokens(blocks, "refusal")
    if content is None and refusal is None:
        return None
    return {"content": content, "refusal": refusal}


def _tokens(blocks: Iterable[Block], kind: BlockKind) -> Logprobs | None:
    lists = [b.logprobs for b in blocks if b.kind == kind and b.logprobs is not None]
    return [token for tokens in lists for token in tokens] if lists else None
