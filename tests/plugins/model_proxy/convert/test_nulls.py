"""Fields that are null in answers which were converted: only those that the API's own server has.

Clients in strict languages take a field that may be missing for one that is never null.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer, Usage, events_of
from clawmatrix_model_proxy.neutral.codec import Making
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn
from clawmatrix_model_proxy.serving.later_codec import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_model_proxy.neutral.answer import FinishReason

OWN: dict[str, frozenset[str]] = {
    "chat": frozenset(
        {
            "choices.message.content",
            "choices.message.refusal",
            "choices.delta.content",
            "choices.delta.refusal",
            "choices.logprobs",
            "choices.finish_reason",
            "usage",
        }
    ),
    "responses": frozenset(
        {
            "error",
            "incomplete_details",
            "instructions",
            "max_output_tokens",
            "max_tool_calls",
            "previous_response_id",
            "prompt_cache_key",
            "reasoning.effort",
            "reasoning.summary",
            "safety_identifier",
            "temperature",
            "top_logprobs",
            "top_p",
            "usage",
            "user",
        }
    ),
    "messages": frozenset(
        {
            "stop_reason",
            "stop_sequence",
            "delta.stop_sequence",
            "stop_details.category",
            "stop_details.explanation",
            "delta.stop_details.category",
            "delta.stop_details.explanation",
        }
    ),
}
"""The fields that each API's own server writes as null."""
WORDS = (Block("reasoning", "Let me see."), Block("text", "Good day."))
CALL = (Block("tool", "{}", "call_1", "look"),)
ANSWERS: dict[str, tuple[tuple[Block, ...], FinishReason]] = {
    "words": (WORDS, "stop"),
    "a call": (CALL, "tool_calls"),
    "words and a call": ((*WORDS, *CALL), "tool_calls"),
    "a refusal": ((Block("refusal", "No."),), "refusal"),
    "a refusal without words": ((Block("text", "I"),), "refusal"),
    "a limit": (WORDS, "length"),
    "a filter": (WORDS, "content_filter"),
    "a pause": (WORDS, "pause"),
    "nothing": ((), "stop"),
}


def nulls(value: Any, place: str = "") -> Iterator[str]:
    """Yield the places of nulls; those of a list have no number."""
    if value is None:
        yield place.removeprefix(".").removeprefix("response.").removeprefix("message.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from nulls(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from nulls(inner, place)


def written(client: str, name: str, usage: Usage | None) -> list[Any]:
    """Return an answer as a client gets it, whole and as the events of a stream."""
    blocks, reason = ANSWERS[name]
    codec = CLIENTS[client]()
    request = NeutralRequest(client, (Turn("user", (Text("hello"),)),), stream=True)
    making = Making(request, "m", 1_790_000_000, lambda start: f"{start}1", include_usage=True)
    answer = NeutralAnswer("a1", "m", 1_790_000_000, blocks, reason, usage, None)
    writer = codec.writer(making)
    stream = b"".join(writer.write(event) for event in events_of(answer))
    events = [line[6:] for line in stream.decode().splitlines() if line.startswith("data: {")]
    return [codec.write_answer(answer, making), *map(json.loads, events)]


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("usage", [None, Usage(5, 3)], ids=["no usage", "usage"])
def test_only_what_the_apis_own_server_has_is_null(
    client: str, name: str, usage: Usage | None
) -> None:
    found = {place for one in written(client, name, usage) for place in nulls(one)}
    assert found <= OWN[client], sorted(found - OWN[client])


@pytest.mark.parametrize("name", ANSWERS)
def test_an_incomplete_response_has_a_word_for_what_it_lacks_or_says_nothing_of_it(
    name: str,
) -> None:
    for one in written("responses", name, None):
        details = one.get("response", one).get("incomplete_details")
        assert details is None or isinstance(details["reason"], str)


def test_a_text_without_citations_has_no_field_for_them() -> None:
    for one in written("messages", "words and a call", None):
        assert "citations" not in json.dumps(one)
        assert "stop_details" not in json.dumps(one)
