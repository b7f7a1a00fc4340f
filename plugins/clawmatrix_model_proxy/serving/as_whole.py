"""A stream as the whole answer of its own API, for a client that asked for none.

Unknown fields are joined by type: texts and lists are concatenated, objects are merged, and of all
other values the last one counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.chat.gathered_calls import GatheredCalls
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.neutral.failures import BadAnswer
from clawmatrix_model_proxy.streams.stages import RESPONSES_ENDS, ends_response

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["answer_of_events"]

Fields = dict[str, Any]
_ONCE = frozenset({"role", "id", "type", "object", "name", "created", "model"})
"""Texts that come whole, however often."""
_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


def answer_of_events(
    format: str, payloads: Iterable[Fields], tools: Collection[str] = ()
) -> Fields:
    """Return the answer that a stream gives which has come to its end.

    Args:
        format: ``chat``, ``responses`` or ``messages``.
        payloads: the decoded events.
        tools: the names that calls of ``chat`` may have, empty where they are not known.

    Raises: ValueError, for events that do not belong to the API.
    """
    try:
        if format == "chat":
            return _chat(payloads, tools)
        return _message(payloads) if format == "messages" else _response(payloads)
    except (AttributeError, KeyError, TypeError, IndexError, *NOT_JSON) as error:
        raise ValueError(f"the upstream's answer does not fit its API: {error!r}") from None
    except BadAnswer as error:
        raise ValueError(f"the upstream's answer does not fit its API: {error}") from None


# --- chat completions


def _chat(payloads: Iterable[Fields], tools: Collection[str]) -> Fields:
    answer: Fields = {}
    choices: dict[int, Fields] = {}
    calls: dict[int, GatheredCalls] = {}
    for payload in payloads:
        known = {n: v for n, v in payload.items() if n != "choices" and v is not None}
        answer |= known if known.get("usage") or not answer else {**known, **answer}
        for choice in payload.get("choices") or ():
            index = choice.get("index") or 0
            pieces = _add_choice(choices.setdefault(index, {}), choice)
            if pieces and index not in calls:
                calls[index] = GatheredCalls(_join, str(answer.get("id") or ""), tools)
            if pieces:
                calls[index].read(pieces)
    for index, gathered in calls.items():
        choice = choices[index]
        choice["message"]["tool_calls"] = gathered.whole(choice["finish_reason"])
    answer["object"] = "chat.completion"
    answer["choices"] = [{"index": index, **choices[index]} for index in sorted(choices)]
    return answer


def _add_choice(whole: Fields, choice: Fields) -> Any:
    """Add what an event says of a choice, and return the pieces of calls that it has."""
    message = whole.setdefault("message", {"role": "assistant", "content": None})
    delta = dict(choice.get("delta") or {})
    pieces = delta.pop("tool_calls", None)
    _join(message, delta)
    _join(whole, {n: v for n, v in choice.items() if n not in ("index", "delta", "finish_reason")})
    whole["finish_reason"] = choice.get("finish_reason") or whole.get("finish_reason")
    return pieces


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
    blocks: list[Fields] = []
    at: dict[int, int] = {}  # where the last block with a number is: some servers number all alike
    inputs: dict[int, list[str]] = {}
    for payload in payloads:
        match payload.get("type"):
            case "message_start":
                message = dict(payload["message"])
            case "content_block_start":
                at[payload["index"]] = len(blocks)
                blocks.append(dict(payload["content_block"]))
            case "content_block_delta":
                place = at[payload["index"]]
                _add_delta(blocks[place], payload["delta"], inputs.setdefault(place, []))
            case "message_delta":
                _end_message(message, payload)
    for place, pieces in inputs.items():
        if pieces:
            blocks[place]["input"] = decode("".join(pieces).encode() or b"{}")
    return {**message, "content": blocks}


def _add_delta(block: Fields, delta: Fields, inputs: list[str]) -> None:
    kind = delta["type"]
    if kind == "input_json_delta":
        inputs.append(delta["partial_json"])
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
    items: dict[tuple[int, Any], Fields] = {}  # by number and id: some servers number all alike
    answer: Fields = {}
    for payload in payloads:
        if payload.get("type") == "response.output_item.done":
            item = payload["item"]
            items[payload.get("output_index", len(items)), item.get("id")] = item
        elif payload.get("type") in RESPONSES_ENDS or ends_response(payload):
            answer = dict(payload["response"])
    if not answer.get("output"):
        answer["output"] = [items[key] for key in sorted(items, key=_number)]
    return answer


def _number(key: tuple[int, Any]) -> int:
    return key[0]
