"""The corpus of the Messages API is what its official SDK takes, and comes back as it went in."""

from __future__ import annotations

import attrs
import msgspec
import pytest

from clawmatrix_model_proxy.convert.messages.codec import CODEC
from clawmatrix_model_proxy.neutral.answer import (
    Block,
    Close,
    NeutralAnswer,
    Open,
    events_of,
)
from tests.plugins.model_proxy.convert.messages.messages_sdk import (
    ANSWERS,
    REQUESTS,
    STREAMS,
    accumulate,
    check_answer,
    check_event,
    check_request,
    events,
    gather,
    load,
    load_stream,
    making,
    payloads,
    written,
)

FOREIGN = {"unknown_fields", "unknown_events"}
LOOSE = {name for name in STREAMS if name.startswith("loose")}
BROKEN = {"error", "cut"}
WHOLE = [name for name in STREAMS if name not in BROKEN]


def as_written(answer: NeutralAnswer) -> NeutralAnswer:
    """Return an answer with its refusals as texts, which is how this API has them."""
    blocks = [
        msgspec.structs.replace(block, kind="text") if block.kind == "refusal" else block
        for block in answer.blocks
    ]
    return msgspec.structs.replace(answer, blocks=tuple(blocks))


@pytest.mark.parametrize("name", REQUESTS)
def test_the_requests_are_what_the_sdk_takes(name: str) -> None:
    check_request(load("requests", name), beta=name.startswith("beta"))


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in FOREIGN])
def test_the_answers_are_what_the_sdk_takes(name: str) -> None:
    check_answer(load("answers", name))


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in LOOSE | FOREIGN])
def test_the_streams_are_what_the_sdk_takes(name: str) -> None:
    for payload in load_stream(name):
        if payload["type"] not in ("ping", "error"):
            check_event(payload)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_comes_back_as_it_went_in(name: str) -> None:
    request = CODEC.read_request(load("requests", name))
    body = CODEC.write_request(request, max_tokens=7)
    check_request(body, beta=name.startswith("beta"))
    again = CODEC.read_request(body)
    if name == "thinking_marked":  # thoughts that no upstream of this API has signed are left out
        assert again.turns != request.turns
        again = attrs.evolve(again, turns=request.turns)
    assert again == request


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_comes_back_as_it_went_in(name: str) -> None:
    answer = CODEC.read_answer(load("answers", name))
    body = CODEC.write_answer(answer, making())
    check_answer(body)
    assert CODEC.read_answer(body) == as_written(answer)


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_comes_back_as_it_went_in(name: str) -> None:
    stream = events(load_stream(name))
    data = written(stream)
    for payload in payloads(data):
        check_event(payload)
    again = gather(events(payloads(data))).answer()
    before = as_written(gather(stream).answer())
    if name == "loose_no_start":
        before = msgspec.structs.replace(before, id="msg_1", model="the-model")
    assert again == before


@pytest.mark.parametrize("name", WHOLE)
def test_the_sdk_makes_the_same_message_of_a_written_stream_as_of_the_written_answer(
    name: str,
) -> None:
    stream = events(load_stream(name))
    whole = check_answer(CODEC.write_answer(gather(stream).answer(), making()))
    made = accumulate(written(stream)).to_dict(exclude_none=True)
    assert made == whole.to_dict(exclude_none=True)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_whole_answer_can_be_written_as_a_stream(name: str) -> None:
    answer = CODEC.read_answer(load("answers", name))
    data = written(events_of(answer))
    assert gather(events(payloads(data))).answer() == as_written(answer)


@pytest.mark.parametrize("name", STREAMS)
def test_blocks_of_a_stream_are_numbered_as_they_open_and_close_before_the_end(name: str) -> None:
    stream = events(load_stream(name))
    opened = [event.index for event in stream if isinstance(event, Open)]
    closed = [event.index for event in stream if isinstance(event, Close)]
    assert opened == list(range(len(opened)))
    if name not in BROKEN:
        assert sorted(closed) == opened


def test_every_kind_of_block_is_in_the_corpus() -> None:
    answers = [CODEC.read_answer(load("answers", name)) for name in ANSWERS]
    blocks: list[Block] = [block for answer in answers for block in answer.blocks]
    kinds = {block.kind for block in blocks}
    assert kinds == {"text", "reasoning", "redacted", "tool", "refusal"}
