"""The Messages API as its official SDK has it: types that do not forgive, and its own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import anthropic
import httpx2
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.beta.message_create_params import (
    MessageCreateParams as BetaMessageCreateParams,
)
from anthropic.types.message_create_params import MessageCreateParams
from pydantic import BaseModel

from clawmatrix_model_proxy.convert.messages.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import Event, Gathered
from clawmatrix_model_proxy.neutral.codec import Making, StreamReader
from clawmatrix_model_proxy.neutral.request import NeutralRequest
from tests.plugins.model_proxy.convert.sdk_types import SdkType

__all__ = [
    "ANSWERS",
    "REQUESTS",
    "STREAMS",
    "accumulate",
    "check_answer",
    "check_event",
    "check_request",
    "events",
    "gather",
    "load",
    "load_stream",
    "making",
    "payloads",
    "written",
]

DATA = Path(__file__).parents[4] / "data" / "models" / "messages"
REQUESTS = sorted(path.stem for path in (DATA / "requests").glob("*.json"))
ANSWERS = sorted(path.stem for path in (DATA / "answers").glob("*.json"))
STREAMS = sorted(path.stem for path in (DATA / "streams").glob("*.jsonl"))

_PARAMS = SdkType(MessageCreateParams)
_BETA_PARAMS = SdkType(BetaMessageCreateParams)
_EVENT = SdkType(RawMessageStreamEvent)
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
"""The newest models take them no more, nor does the SDK; older ones and other servers do."""


def load(kind: str, name: str) -> dict[str, Any]:
    """Return a request or an answer of the corpus."""
    found: dict[str, Any] = json.loads((DATA / kind / f"{name}.json").read_text())
    return found


def load_stream(name: str) -> list[dict[str, Any]]:
    """Return the events of a stream of the corpus."""
    lines = (DATA / "streams" / f"{name}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


# --- types


def check_request(body: dict[str, Any], *, beta: bool = False) -> None:
    """Fail where a request is not of the SDK's types, or has fields that these have not."""
    typed = {name: value for name, value in body.items() if name not in _SAMPLING}
    params = _BETA_PARAMS if beta else _PARAMS
    checked = _exhaust(params.validate_python({"model": "m", **typed}))
    if beta:  # whose type of a schema has no place for most of what is in one
        checked["tools"] = typed["tools"]
    assert checked == {"model": "m", **typed}


def _exhaust(value: Any) -> Any:
    # The types have iterables, which are checked only as they are read.
    if isinstance(value, dict):
        return {name: _exhaust(inner) for name, inner in value.items()}
    if isinstance(value, Iterator | list):
        return [_exhaust(inner) for inner in value]
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


def check_answer(body: dict[str, Any]) -> Message:
    """Return an answer as the SDK has it, which must know all its fields."""
    message = Message.model_validate(body, strict=True)
    _known(message)
    return message


def check_event(payload: dict[str, Any]) -> None:
    """Fail where an event is not of the SDK's types, or has fields that these have not."""
    _known(_EVENT.validate_python(payload, strict=True))


def _known(value: Any) -> None:
    # The models take any further field; ours must have none.
    if isinstance(value, BaseModel):
        assert not value.model_extra, value
        for name in value.model_fields_set:
            _known(getattr(value, name))
    elif isinstance(value, list):
        for inner in value:
            _known(inner)


# --- streams


def making(request: NeutralRequest | None = None) -> Making:
    """Return what a writer needs, with ids that count."""
    numbers = count(1)
    asked = request or NeutralRequest("messages", ())
    return Making(asked, "the-model", 1_700_000_000, lambda letters: f"{letters}{next(numbers)}")


def events(payloads: list[dict[str, Any]], reader: StreamReader | None = None) -> list[Event]:
    """Return what a stream amounts to, its end included."""
    reader = reader or CODEC.reader()
    read = [event for payload in payloads for event in reader.read(payload)]
    return [*read, *reader.done()]


def gather(stream: list[Event]) -> Gathered:
    """Return the events put together."""
    gathered = Gathered()
    for event in stream:
        gathered.take(event)
    return gathered


def written(stream: list[Event]) -> bytes:
    """Return a stream in bytes."""
    writer = CODEC.writer(making())
    return b"".join(writer.write(event) for event in stream)


def payloads(data: bytes) -> list[dict[str, Any]]:
    """Return the data of a stream's events, each of which must name its own type."""
    found = []
    *lines, rest = data.decode().split("\n\n")
    assert rest == ""
    for event in lines:
        name, _, body = event.partition("\n")
        payload = json.loads(body.removeprefix("data: "))
        assert name == f"event: {payload['type']}"
        found.append(payload)
    return found


def accumulate(data: bytes) -> Message:
    """Return what the SDK's own client makes of a stream."""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        anthropic.Anthropic(
            api_key="none",
            base_url="http://127.0.0.1:1",
            http_client=http,
            max_retries=0,
            _strict_response_validation=True,
        ) as client,
        client.messages.stream(
            model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]
        ) as stream,
    ):
        return stream.get_final_message()
