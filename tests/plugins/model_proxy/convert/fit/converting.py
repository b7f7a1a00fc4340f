"""Requests of one API as they reach an upstream of another, and answers on their way back."""

from __future__ import annotations

import itertools
import json
from typing import Any

from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.convert.bridge import Bridge
from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.streams.formats import FORMATS

__all__ = ["BODIES", "CODECS", "bridge", "call", "output", "said", "sent", "streamed"]

CODECS: dict[str, Any] = {
    "chat": chat.CODEC,
    "responses": responses.CODEC,
    "messages": messages.CODEC,
}
HELLO = [{"role": "user", "content": "hello"}]
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"messages": HELLO},
    "responses": {"input": HELLO},
    "messages": {"messages": HELLO, "max_tokens": 99},
}


def bridge(client: str, upstream: str, body: dict[str, Any], **model: Any) -> Bridge:
    """Return the bridge for a request to a model with these options."""
    count = itertools.count()
    read = Bridge.read(
        CODECS[client],
        CODECS[upstream],
        json.dumps({**BODIES[client], **body}).encode(),
        model="m",
        now=1_790_000_000.0,
        new_id=lambda letters: f"{letters}{next(count)}",
    )
    return read.fitted_to(ModelUpstream("m", "http://127.0.0.1:1/v1", **model))


def sent(client: str, upstream: str, body: dict[str, Any], **model: Any) -> Any:
    """Return what the upstream is sent."""
    made = ModelUpstream("m", "http://127.0.0.1:1/v1", **model)
    return json.loads(bridge(client, upstream, body, **model).written(made))


def streamed(made: Bridge, stream: bytes) -> tuple[bytes, ConvertedStream]:
    """Return the client's stream for an upstream's."""
    writer = made.client.writer(made.making)
    converted = ConvertedStream(made.reader(), writer, FORMATS[made.client.name])
    out = converted.feed(stream)
    return out + converted.finish()[0], converted


def said(role: str, text: str) -> dict[str, Any]:
    """Return what one side says, in any API."""
    return {"role": role, "content": text}


def call(call_id: str, name: str = "f") -> dict[str, Any]:
    """Return a call, as an item of Responses."""
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}


def output(call_id: str, words: str = "done") -> dict[str, Any]:
    """Return a result, as an item of Responses."""
    return {"type": "function_call_output", "call_id": call_id, "output": words}
