"""A whole answer as the stream of its own API, for a client that asked for one.

Every field of the answer is in it, those too that nobody here knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.streams.stages import ends_response

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["events_of_answer"]

Fields = dict[str, Any]
_encode = msgspec.json.Encoder().encode


def events_of_answer(format: str, answer: Fields, *, usage: bool) -> bytes:
    """Return the stream that gives a whole answer, up to its end.

    Args:
        format: ``chat``, ``responses`` or ``messages``.
        answer: the answer.
        usage: whether a chat client asked for the event with the usage.

    Raises: ValueError, for what is no whole answer of the API.
    """
    try:
        if format == "chat":
            data = b"".join(b"data: %b\n\n" % _encode(chunk) for chunk in _chunks(answer, usage))
            return data + b"data: [DONE]\n\n"
        events = _messages(answer) if format == "messages" else _numbered(_responses(answer))
        return b"".join(
            b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event))
            for event in events
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"the upstream's answer does not fit its API: {error!r}") from None


# --- chat completions


def _chunks(answer: Fields, usage: bool) -> Iterator[Fields]:
    head = {name: value for name, value in answer.items() if name not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    for place, choice in enumerate(answer["choices"]):
        index, said = choice.get("index", place), choice["message"]
        delta = {"role": "assistant", **said}
        if calls := said.get("tool_calls"):
            delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
        reason = choice.get("finish_reason") or ("tool_calls" if calls else "stop")
        more = {n: v for n, v in choice.items() if n not in ("index", "message", "finish_reason")}
        first = {"index": index, "delta": delta, **more, "finish_reason": None}
        last = {"index": index, "delta": {}, "finish_reason": reason}
        yield {**head, "choices": [first]}
        yield {**head, "choices": [last]}
    if usage and answer.get("usage") is not None:
        yield {**head, "choices": [], "usage": answer["usage"]}


# --- Messages


def _messages(answer: Fields) -> Iterator[Fields]:
    blocks, usage = answer["content"], answer.get("usage") or {}
    counts = {"input_tokens": 0, **usage, "output_tokens": 0}
    ends = {name: answer.get(name) for name in ("stop_reason", "stop_sequence")}
    begun = {**answer, "content": [], **dict.fromkeys(ends), "usage": counts}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(blocks):
        began, deltas = _parts_of(block)
        yield {"type": "content_block_start", "index": index, "content_block": began}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    called = any(block["type"] == "tool_use" for block in blocks)
    ends["stop_reason"] = ends["stop_reason"] or ("tool_use" if called else "end_turn")
    if "stop_details" in answer:
        ends["stop_details"] = answer["stop_details"]
    yield {"type": "message_delta", "delta": ends, "usage": {"output_tokens": 0, **usage}}
    yield {"type": "message_stop"}


def _parts_of(block: Fields) -> tuple[Fields, list[Fields]]:
    """Return how a block begins, and the deltas that make the rest of it."""
    match block["type"]:
        case "text":
            cites = [
                {"type": "citations_delta", "citation": one} for one in block.get("citations") or ()
            ]
            began = {**block, "text": ""} | ({"citations": []} if cites else {})
            return began, [{"type": "text_delta", "text": block["text"]}, *cites]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}]
            if block.get("signature"):
                deltas += [{"type": "signature_delta", "signature": block["signature"]}]
            return {**block, "thinking": "", "signature": ""}, deltas
        case _ if isinstance(block.get("input"), dict):  # a call, of whichever kind
            text = _encode(block["input"]).decode()
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": text}]
    return block, []  # what comes whole in the API's own streams too


# --- Responses

_TEXTS = {
    "output_text": ("response.output_text", "text"),
    "refusal": ("response.refusal", "refusal"),
    "reasoning_text": ("response.reasoning_text", "text"),
    "summary_text": ("response.reasoning_summary_text", "text"),
}
"""By the type of a part: what events of its text are called, and where the text is."""
_CALLS = {
    "function_call": ("response.function_call_arguments", "arguments"),
    "custom_tool_call": ("response.custom_tool_call_input", "input"),
}


def _responses(answer: Fields) -> Iterator[Fields]:
    status = answer.get("status")
    if status is not None and not ends_response({"type": "", "response": answer}):
        raise ValueError(f"the upstream's answer is not whole: its status is {status!r}")
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(answer["output"]):
        yield from _item(item, {"output_index": index, "item_id": item.get("id", "")})
    ended = "incomplete" if answer.get("status") == "incomplete" else "completed"
    yield {"type": f"response.{ended}", "response": answer}


def _item(item: Fields, place: Fields) -> Iterator[Fields]:
    index = place["output_index"]
    lists: Fields = {name: [] for name in ("content", "summary") if item.get(name) is not None}
    call = _CALLS.get(item["type"])
    empty = {**item, **lists} | ({call[1]: ""} if call else {})
    if "status" in item:
        empty["status"] = "in_progress"
    yield {"type": "response.output_item.added", "output_index": index, "item": empty}
    for name in lists:
        for number, part in enumerate(item[name]):
            at = {**place, "summary_index" if name == "summary" else "content_index": number}
            yield from _part(part, at, summary=name == "summary")
    if call is not None:
        yield from _text(call, item[call[1]], place)
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part(part: Fields, at: Fields, *, summary: bool) -> Iterator[Fields]:
    kind = "response.reasoning_summary_part" if summary else "response.content_part"
    about = _TEXTS.get(part["type"])
    empty = part if about is None else {**part, about[1]: ""}
    yield {"type": f"{kind}.added", **at, "part": empty}
    if about is not None:
        yield from _text(about, part[about[1]], at)
    yield {"type": f"{kind}.done", **at, "part": part}


def _text(about: tuple[str, str], text: str, at: Fields) -> Iterator[Fields]:
    name, field = about
    logprobs: Fields = {"logprobs": []} if name == "response.output_text" else {}
    yield {"type": f"{name}.delta", **at, "delta": text, **logprobs}
    yield {"type": f"{name}.done", **at, field: text, **logprobs}


def _numbered(events: Iterator[Fields]) -> Iterator[Fields]:
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}
