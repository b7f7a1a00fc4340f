"""What comes from the other APIs, written as Responses: valid by the official SDK's own types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import Completed, Event, NeutralAnswer
from clawmatrix_model_proxy.neutral.codec import BadAnswer, Codec, Unsupported
from tests.plugins.model_proxy.convert.responses.responses_sdk import (
    RESPONSE,
    accumulated,
    gathered,
    making,
    payloads,
    read_stream,
    stream_of,
)
from tests.plugins.model_proxy.convert.responses.test_corpus import check_request

_ROOT = Path(__file__).parents[4] / "data" / "models"
OTHERS: dict[str, Codec] = {"chat": chat.CODEC, "messages": messages.CODEC}
UNTYPED = ("files_and_audio", "thinking_marked")
"""Sound, which Responses has a type for but not among those of an input, and a thought of which
the corpus does not say the id, which must be."""

REFUSED = {"settings": "stop", "stop_one": "stop", "turns": "stop_sequences"}


def named(kind: str) -> list[tuple[str, str]]:
    """Return the names of the other APIs' corpora."""
    files = [(api, file) for api in OTHERS for file in sorted((_ROOT / api / kind).iterdir())]
    return [(api, file.name) for api, file in files]


def loaded(api: str, kind: str, name: str) -> Any:
    """Return a file of a corpus."""
    text = (_ROOT / api / kind / name).read_text()
    if name.endswith(".json"):
        return json.loads(text)
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if isinstance(line, dict)]


@pytest.mark.parametrize(("api", "name"), named("requests"))
def test_requests_of_others_are_written_or_refused_by_name(api: str, name: str) -> None:
    request = OTHERS[api].read_request(loaded(api, "requests", name))
    param = REFUSED.get(Path(name).stem)
    if param is not None:
        with pytest.raises(Unsupported) as caught:
            CODEC.write_request(request, max_tokens=9)
        assert caught.value.param == param
        return
    body = CODEC.write_request(request, max_tokens=9)
    assert body["store"] is False
    if Path(name).stem not in UNTYPED:
        check_request(body)


@pytest.mark.parametrize(("api", "name"), named("answers"))
def test_answers_of_others_are_written(api: str, name: str) -> None:
    try:
        answer = OTHERS[api].read_answer(loaded(api, "answers", name))
    except BadAnswer:
        return
    body = CODEC.write_answer(answer, making())
    RESPONSE.validate_python(body, strict=True)
    assert shown(CODEC.read_answer(body)) == shown(answer)


@pytest.mark.parametrize(("api", "name"), named("streams"))
def test_streams_of_others_are_written(api: str, name: str) -> None:
    reader = OTHERS[api].reader()
    events: list[Event] = []
    try:
        for payload in loaded(api, "streams", name):
            events += reader.read(payload)
        events += reader.done()
    except BadAnswer:
        return
    if not isinstance(events[-1], Completed):
        return
    written = stream_of(events)
    accumulated(written)
    assert shown(gathered(read_stream(payloads(written)))) == shown(gathered(events))


def shown(answer: NeutralAnswer) -> tuple[Any, ...]:
    """Return what must be the same, whatever the API."""
    blocks = [
        (block.kind, block.text, block.name, block.sealed, block.sealed_by)
        for block in answer.blocks
    ]
    counts = answer.usage and (answer.usage.input, answer.usage.output)
    reason = {"stop_sequence": "stop", "pause": "length"}.get(answer.reason, answer.reason)
    return (blocks, reason, counts)
