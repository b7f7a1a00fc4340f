"""A stream as the whole answer of its own API, for a client that asked for none.

Fields that nobody here knows are joined by what they are: texts and lists are lengthened, objects
are filled up, and of anything else the last counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.streams.stages import RESPONSES_ENDS, ends_response

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["answer_of_events"]

Fields = dict[str, Any]
_ONCE = frozenset({"role", "id", "type", "object", "name", "created", "model"})
"""Texts that come whole, however often."""
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


def answer_of_events(format: str, payloads: Iterable[Fields]) -> Fields:
    """Return the answer that a stream gives which has come to its end.

    ``format`` is ``chat``, ``responses`` or ``messages``. Raises: ValueError, for events that are
    none of the API.
    """
    try:
        if format == "chat":
            return _chat(payloads)
        return _message(payloads) if format == "messages" else _response(payloads)
    except (AttributeError, KeyError, TypeError, IndexError, *NOT_JSON) as error:
        raise ValueError(f"the upstream's answer is none of its API: {error!r}") from None


# --- chat completions


def _chat(payloads: Iterable[Fields]) -> Fields:
    answer: Fields = {}
    choices: dict[int, Fields] = {}
    for payload in payloads:
        for choice in payload.get("choices") or ():
            _add_choice(choices.setdefault(choice.get("index") or 0, {}), choice)
        known = {n: v for n, v in payload.items() if n != "choices" and v is not None}
        answer |= known if known.get("usage") or not answer else {**known, **answer}
    answer["object"] = "chat.completion"
    answer["choices"] = [{"index": index, **choices[index]} for index in sorted(choices)]
    return answer


def _add_choice(whole: Fields, choice: Fields) -> None:
    message = whole.setdefault("message", {"role": "assistant", "content": None})
    delta = dict(choice.get("delta") or {})
    for call in delta.pop("tool_calls", None) or ():
        _add_call(message.setdefault("tool_calls", []), call)
    _join(message, delta)
    _join(whole, {n: v for n, v in choice.items() if n not in ("index", "delta", "finish_reason")})
    whole["finish_reason"] = choice.get("finish_reason") or whole.get("finish_reason")


def _add_call(calls: list[Fields], piece: Fields) -> None:
    """Add a piece of a call to the one that it belongs to, or begin another."""
    index, id = piece.get("index"), piece.get("id")
    whole = calls[-1] if calls else None
    if index is not None:
        same = [call for call in calls if call.get("index") == index]
        whole = same[-1] if same else None
    named = bool((piece.get("function") or {}).get("name"))
    if whole is not None and id and whole.get("id") not in (id, None, ""):
        whole = None  # another call, whatever its number
    if whole is not None and named and not id and whole.get("function", {}).get("arguments"):
        whole = None  # a call that has begun to say its arguments has its name
    if whole is None:
        calls.append(whole := {})
    _join(whole, piece)


def _join(whole: Fields, piece: Fields) -> None:
    for name, value in piece.items():
        before = whole.get(name)
        if value is None and name in whole:
            continue
        if isinstance(before, str) and isinstance(value, str):
            whole[name] = (value or before) if name in _ONCE else before + value
        elif isinstance(before, list) and isinstance(value, list):
            whole[name] = [*before, *value]
        elif isinstance(before, dict) and isinstance(value, dict):
            _join(before, value)
        else:
            whole[name] = dict(value) if isinstance(value, dict) else value


# --- Messages


def _message(payloads: Iterable[Fields]) -> Fields:
    message: Fields = {}
    blocks: dict[int, Fields] = {}
    inputs: dict[int, list[str]] = {}
    for payload in payloads:
        match payload.get("type"):
            case "message_start":
                message = dict(payload["message"])
            case "content_block_start":
                blocks[payload["index"]] = dict(payload["content_block"])
            case "content_block_delta":
                _add_delta(blocks[payload["index"]], payload, inputs)
            case "message_delta":
                _end_message(message, payload)
    for index, pieces in inputs.items():
        blocks[index]["input"] = decode("".join(pieces).encode() or b"{}")
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


def _add_delta(block: Fields, payload: Fields, inputs: dict[int, list[str]]) -> None:
    delta = payload["delta"]
    kind = delta["type"]
    if kind == "input_json_delta":
        inputs.setdefault(payload["index"], []).append(delta["partial_json"])
    elif kind == "citations_delta":
        block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
    else:
        name = _DELTAS[kind]
        block[name] = (block.get(name) or "") + delta[name]


def _end_message(message: Fields, payload: Fields) -> None:
    message |= payload.get("delta") or {}
    usage = {n: v for n, v in (payload.get("usage") or {}).items() if v is not None}
    message["usage"] = {**(message.get("usage") or {}), **usage}


# --- Responses


def _response(payloads: Iterable[Fields]) -> Fields:
    items: dict[int, Fields] = {}
    answer: Fields = {}
    for payload in payloads:
        if payload.get("type") == "response.output_item.done":
            items[payload.get("output_index", len(items))] = payload["item"]
        elif payload.get("type") in RESPONSES_ENDS or ends_response(payload):
            answer = dict(payload["response"])
    if not answer.get("output"):
        answer["output"] = [items[index] for index in sorted(items)]
    return answer
