"""What the official SDK makes of the Responses codec's answers and streams."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from openai.types.responses import Response, ResponseStreamEvent

from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import Block, Event, Gathered, NeutralAnswer
from clawmatrix_model_proxy.neutral.codec import Making
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn
from tests.plugins.model_proxy.convert.sdk_types import SdkType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RESPONSE = SdkType(Response)
STREAM_EVENT = SdkType(ResponseStreamEvent)


def numbered() -> Callable[[str], str]:
    """Return a maker of ids that counts."""
    numbers = itertools.count()
    return lambda prefix: f"{prefix}{next(numbers)}"


def making(request: NeutralRequest | None = None) -> Making:
    """Return what a writer needs beside an answer."""
    asked = request or NeutralRequest("responses", (Turn("user", (Text("Hello"),)),))
    return Making(asked, "model", 1_700_000_000, numbered())


def stream_of(events: Iterable[Event], request: NeutralRequest | None = None) -> bytes:
    """Return a stream that the codec writes."""
    writer = CODEC.writer(making(request))
    return b"".join(writer.write(event) for event in events)


def payloads(stream: bytes) -> list[dict[str, Any]]:
    """Return the data of a stream's events; each is one that the SDK knows, in order."""
    found: list[dict[str, Any]] = []
    for event in stream.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        payload = json.loads(data.removeprefix("data: "))
        assert name == f"event: {payload['type']}"
        assert payload["sequence_number"] == len(found)
        STREAM_EVENT.validate_python(payload, strict=True)
        found.append(payload)
    return found


def read_stream(stream: Iterable[dict[str, Any]]) -> list[Event]:
    """Return what the codec reads of a stream."""
    reader = CODEC.reader()
    events = [event for payload in stream for event in reader.read(payload)]
    return [*events, *reader.done()]


def gathered(events: Iterable[Event]) -> NeutralAnswer:
    """Return the answer that a stream amounts to."""
    whole = Gathered()
    for event in events:
        whole.take(event)
    return whole.answer()


def client_of(stream: bytes) -> openai.OpenAI:
    """Return the SDK's client, whose every request is answered with a stream."""
    headers = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(
        lambda request: httpx2.Response(200, headers=headers, content=stream)
    )
    return openai.OpenAI(
        api_key="none",
        base_url="http://127.0.0.1:1/v1",
        http_client=httpx2.Client(transport=transport),
        max_retries=0,
    )


def accumulated(stream: bytes) -> Response:
    """Return what the SDK's own accumulator makes of a stream."""
    with (
        client_of(stream) as client,
        client.responses.stream(model="model", input="Hello") as events,
    ):
        last = [event for event in events if event.type.startswith("response.")][-1]
    assert last.type in ("response.completed", "response.incomplete")
    return Response.model_validate(_without_parsed(last.response.model_dump(warnings=False)))


def _without_parsed(value: Any) -> Any:
    """Take out what the SDK's accumulator adds."""
    if isinstance(value, list):
        return [_without_parsed(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    added = ("parsed", "parsed_arguments")
    return {name: _without_parsed(inner) for name, inner in value.items() if name not in added}


def said(block: Block) -> str:
    """Return the text of a block; missing arguments are an empty object."""
    return block.text or ("{}" if block.kind == "tool" else "")
