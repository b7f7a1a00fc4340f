"""A model server for what the other one does not look at: pictures, counts and cut answers.

It says how many pictures a request has, in the shape of whichever API it was asked by, and takes
no field that the API's own SDK does not know. Prints its port; serves until its input closes.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import uvicorn
from anthropic.types import message_count_tokens_params, message_create_params
from openai.types.chat import completion_create_params
from openai.types.responses import input_token_count_params, response_create_params
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

KNOWN: dict[str, frozenset[str]] = {
    path: frozenset(params.__annotations__) | {"stream"}
    for path, params in {
        "/v1/chat/completions": completion_create_params.CompletionCreateParamsBase,
        "/v1/responses": response_create_params.ResponseCreateParamsBase,
        "/v1/responses/input_tokens": input_token_count_params.InputTokenCountParams,
        "/v1/messages": message_create_params.MessageCreateParamsBase,
        "/v1/messages/count_tokens": message_count_tokens_params.MessageCountTokensParams,
    }.items()
}
COUNT = 17


async def answer(request: Request) -> Response:
    path, body = request.url.path, await request.json()
    if unknown := body.keys() - KNOWN[path]:
        error = {"message": f"unknown: {sorted(unknown)}", "type": "invalid_request_error"}
        return JSONResponse({"error": error}, 400)
    if path.endswith("tokens"):
        return JSONResponse({"object": "response.input_tokens", "input_tokens": COUNT})
    said = f"I see {json.dumps(body).count('iVBORw0KGgo')} picture(s)."
    limited = "be cut short" in json.dumps(body)
    whole, events = ANSWERS[path](body["model"], said, limited)
    if not body.get("stream"):
        return JSONResponse(whole)
    return Response(b"".join(_sse(event) for event in events), media_type="text/event-stream")


def _sse(event: dict[str, Any] | str) -> bytes:
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    kind = f"event: {event['type']}\n" if "type" in event else ""
    return f"{kind}data: {json.dumps(event)}\n\n".encode()


def _chat(model: str, said: str, limited: bool) -> tuple[Any, Iterator[Any]]:
    reason = "length" if limited else "stop"
    head = {"id": "chatcmpl-1", "created": 1_790_000_000, "model": model}
    usage = {"prompt_tokens": COUNT, "completion_tokens": 5, "total_tokens": COUNT + 5}
    message = {"role": "assistant", "content": said, "refusal": None}
    choice = {"index": 0, "finish_reason": reason, "message": message, "logprobs": None}
    whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}

    def events() -> Iterator[Any]:
        def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
            return {**head, "object": "chat.completion.chunk", "choices": [choice]}

        yield chunk({"role": "assistant", "content": ""})
        for word in said.split(" "):
            yield chunk({"content": word + " "})
        yield chunk({}, reason)
        yield {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage}
        yield "[DONE]"

    return whole, events()


def _responses(model: str, said: str, limited: bool) -> tuple[Any, Iterator[Any]]:
    status = "incomplete" if limited else "completed"
    part = {"type": "output_text", "text": said, "annotations": [], "logprobs": []}
    item: dict[str, Any] = {"type": "message", "id": "msg_1", "role": "assistant"}
    item |= {"status": status, "content": [part]}
    usage = {
        "input_tokens": COUNT,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": COUNT + 5,
    }
    whole: dict[str, Any] = {"id": "resp_1", "object": "response", "created_at": 1_790_000_000}
    whole |= {"model": model, "status": status, "output": [item], "usage": usage, "error": None}
    whole |= {"incomplete_details": {"reason": "max_output_tokens"} if limited else None}
    whole |= {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True, "metadata": {}}

    def events() -> Iterator[Any]:
        where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        begun = {**whole, "status": "in_progress", "output": [], "usage": None}
        listed: list[dict[str, Any]] = [
            {"type": "response.created", "response": begun},
            {"type": "response.in_progress", "response": begun},
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**item, "status": "in_progress", "content": []},
            },
            {"type": "response.content_part.added", **where, "part": {**part, "text": ""}},
        ]
        delta = {"type": "response.output_text.delta", **where, "logprobs": []}
        listed += [{**delta, "delta": word + " "} for word in said.split(" ")]
        listed += [
            {"type": "response.output_text.done", **where, "text": said + " ", "logprobs": []},
            {"type": "response.content_part.done", **where, "part": part},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": f"response.{status}", "response": whole},
        ]
        for number, event in enumerate(listed):
            yield {**event, "sequence_number": number}

    return whole, events()


def _messages(model: str, said: str, limited: bool) -> tuple[Any, Iterator[Any]]:
    reason = "max_tokens" if limited else "end_turn"
    usage = {"input_tokens": COUNT - 3, "cache_read_input_tokens": 3, "output_tokens": 5}
    whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": model}
    whole |= {"stop_reason": reason, "stop_sequence": None, "usage": usage}  # type: ignore[dict-item]
    content = [{"type": "text", "text": said}]

    def events() -> Iterator[Any]:
        begun: dict[str, Any] = {**whole, "content": [], "stop_reason": None}
        begun["usage"] = {**usage, "output_tokens": 1}
        yield {"type": "message_start", "message": begun}
        block = {"type": "text", "text": ""}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        yield {"type": "ping"}
        for word in said.split(" "):
            delta = {"type": "text_delta", "text": word + " "}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        delta = {"stop_reason": reason, "stop_sequence": None}  # type: ignore[dict-item]
        yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}
        yield {"type": "message_stop"}

    return {**whole, "content": content}, events()


ANSWERS: dict[str, Callable[[str, str, bool], tuple[Any, Iterator[Any]]]] = {
    "/v1/chat/completions": _chat,
    "/v1/responses": _responses,
    "/v1/messages": _messages,
}


def main() -> None:
    """Serve on a port of loopback."""
    app = Starlette(routes=[Route(path, answer, methods=["POST"]) for path in KNOWN])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        print(listener.getsockname()[1], flush=True)

        def wait() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=wait, daemon=True).start()
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
