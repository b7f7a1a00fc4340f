"""What a maker sealed comes back to it with the next turns, through clients of every API."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_gemini.codec import GeminiCodec
from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.converted_stream import ConvertedStream
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.codec import Making
from clawmatrix_model_proxy.neutral.request import NeutralRequest, Text, Turn
from clawmatrix_model_proxy.streams.formats import FORMATS
from tests.plugins.model_proxy.convert.responses.responses_corpus import STREAMS as RESPONSES
from tests.plugins.model_proxy.test_converted import sse

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.codec import Codec, UpstreamCodec

CODECS: dict[str, Codec] = {
    codec.name: codec for codec in (chat.CODEC, responses.CODEC, messages.CODEC)
}
ASKED = NeutralRequest("chat", (Turn("user", (Text("Hi"),)),))
OTHERS = ("messages", "responses")
both = pytest.mark.parametrize("client", OTHERS)


def making() -> Making:
    count = itertools.count()
    return Making(ASKED, "m", 1_700_000_000, lambda letters: f"{letters}{next(count)}", True)


class Conversation:
    """A client that gives back all that it got, before an upstream of another API."""

    def __init__(self, client: str, upstream: UpstreamCodec) -> None:
        self._client = CODECS[client]
        self._upstream = upstream
        self._said: list[Any] = [{"role": "user", "content": "go"}]

    def heard(self, answer: dict[str, Any]) -> Conversation:
        """Take a whole answer of the upstream's."""
        read = self._upstream.read_answer(answer, new_id=lambda letters: f"{letters}7")
        return self._take(self._client.write_answer(read, making()))

    def streamed(self, *payloads: Any, done: bool = True) -> Conversation:
        """Take a streamed answer of the upstream's."""
        reader = self._upstream.reader(new_id=lambda letters: f"{letters}7")
        name = self._client.name
        stream = ConvertedStream(reader, self._client.writer(making()), FORMATS[name])
        out = stream.feed(b"".join(sse(*payloads, *(["[DONE]"] if done else []))))
        out += stream.finish()[0]
        events = [json.loads(line[6:]) for line in out.splitlines() if line.startswith(b"data: {")]
        assert not any("error" in event and event["error"] for event in events), events
        return self._take(_gathered(name, events))

    def _take(self, answer: dict[str, Any]) -> Conversation:
        match self._client.name:
            case "messages":
                calls = [one["id"] for one in answer["content"] if one["type"] == "tool_use"]
                self._said.append({"role": "assistant", "content": answer["content"]})
                results = [
                    {"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in calls
                ]
                self._said.append({"role": "user", "content": results or "and?"})
            case "responses":
                calls = [one["call_id"] for one in answer["output"] if "call_id" in one]
                self._said += answer["output"]
                self._said += [
                    {"type": "function_call_output", "call_id": call, "output": "ok"}
                    for call in calls
                ]
                self._said += [] if calls else [{"role": "user", "content": "and?"}]
            case _:
                message = answer["choices"][0]["message"]
                self._said.append(message)
                self._said += [
                    {"role": "tool", "tool_call_id": call["id"], "content": "ok"}
                    for call in message.get("tool_calls") or ()
                ]
        return self

    @property
    def asks(self) -> dict[str, Any]:
        """The next request, as the upstream gets it."""
        name = "input" if self._client.name == "responses" else "messages"
        request = self._client.read_request(json.loads(json.dumps({name: self._said})))
        return self._upstream.write_request(request, model="gemini-3-pro", max_tokens=9)

    @property
    def assistant(self) -> list[dict[str, Any]]:
        """The assistant's messages in the next request to a chat upstream."""
        return [one for one in self.asks["messages"] if one["role"] == "assistant"]


def _gathered(client: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the whole answer that a client makes of a stream."""
    if client == "responses":
        return dict(events[-1]["response"])
    if client == "messages":
        return {"content": _blocks(events)}
    message: dict[str, Any] = {}
    for event in events:
        for choice in event["choices"]:
            _accumulate(message, choice["delta"])
    return {"choices": [{"message": message}]}


def _blocks(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
    blocks: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            name = names.get(delta["type"], "json")
            blocks[event["index"]][name] += delta.get(name, delta.get("partial_json"))
    for block in blocks:
        said = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(said or "{}")
    return blocks


def _accumulate(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta as the official SDK does."""
    for name, value in delta.items():
        before = into.get(name)
        if before is None or name in ("index", "type"):
            into[name] = value
        elif isinstance(value, str):
            into[name] = before + value
        elif isinstance(value, dict):
            _accumulate(before, value)
        elif isinstance(value, list):
            for entry in value:
                at = entry["index"]
                before.extend([{}] * (at + 1 - len(before)))
                _accumulate(before[at], entry)


# --- a chat upstream that seals

SEAL = {"google": {"thought_signature": "U0VBTA=="}}


def call(number: int = 0, **more: Any) -> dict[str, Any]:
    function = {"name": "f", "arguments": '{"x":1}'}
    return {"id": f"call-{number}", "type": "function", "function": function, **more}


def answer(reason: str = "tool_calls", **message: Any) -> dict[str, Any]:
    whole = {"role": "assistant", "content": None, **message}
    return {"id": "c1", "choices": [{"index": 0, "message": whole, "finish_reason": reason}]}


def chunk(reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


@both
def test_seals_of_calls_come_back_with_the_second_and_the_third_turn(client: str) -> None:
    talk = Conversation(client, chat.CODEC)
    talk.heard(answer(tool_calls=[call(0, extra_content=SEAL), call(1)]))
    other = {"google": {"thought_signature": "T1RIRVI="}}
    talk.streamed(
        chunk(tool_calls=[{"index": 0, **call(2, extra_content=other)}]), chunk("tool_calls")
    )
    first, second = talk.assistant
    assert first["tool_calls"][0] == {**call(0), "extra_content": SEAL}
    assert "extra_content" not in first["tool_calls"][1]
    assert second["tool_calls"][0]["extra_content"] == other


@both
def test_a_seal_that_comes_behind_the_calls_name_comes_back(client: str) -> None:
    talk = Conversation(client, chat.CODEC).streamed(
        chunk(tool_calls=[{"index": 0, "id": "call-0", "function": {"name": "f"}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": "{}"}, "extra_content": SEAL}]),
        chunk("tool_calls"),
    )
    assert talk.assistant[0]["tool_calls"][0].get("extra_content") == SEAL


@both
@pytest.mark.parametrize("thinks", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_the_seal_of_a_message_comes_back(client: str, *, whole: bool, thinks: bool) -> None:
    thoughts = {"reasoning_content": "Hm."} if thinks else {}
    talk = Conversation(client, chat.CODEC)
    if whole:
        talk.heard(answer("stop", content="Hi", extra_content=SEAL, **thoughts))
    else:
        talk.streamed(chunk(**thoughts), chunk(content="Hi"), chunk("stop", extra_content=SEAL))
    [message] = talk.assistant
    assert (message["content"], message["extra_content"]) == ("Hi", SEAL)
    assert message.get("reasoning_content") == thoughts.get("reasoning_content")


@both
def test_sealed_details_of_thoughts_come_back_put_together(client: str) -> None:
    text = {"type": "reasoning.text", "index": 0, "format": "anthropic-claude-v1"}
    secret = {"type": "reasoning.encrypted", "index": 1, "data": "abc", "id": "rs_1"}
    talk = Conversation(client, chat.CODEC).streamed(
        chunk(reasoning="Let me ", reasoning_details=[{**text, "text": "Let me "}]),
        chunk(reasoning="see.", reasoning_details=[{**text, "text": "see."}]),
        chunk(reasoning_details=[{**text, "signature": "SIG"}, secret]),
        chunk(tool_calls=[{"index": 0, **call()}]),
        chunk("tool_calls"),
    )
    [message] = talk.assistant
    assert message["reasoning_details"] == [
        {**text, "text": "Let me see.", "signature": "SIG"},
        secret,
    ]
    whole = Conversation(client, chat.CODEC)
    whole.heard(answer(reasoning="Hm.", reasoning_details=[secret], tool_calls=[call()]))
    assert whole.assistant[0]["reasoning_details"] == [secret]


@both
def test_what_a_client_changed_is_left_out(client: str) -> None:
    talk = Conversation(client, chat.CODEC).heard(answer("stop", content="Hi", extra_content=SEAL))
    changed = json.loads(json.dumps(talk._said).replace("thought_signature", "thought\\\\"))
    talk._said[:] = changed
    assert "extra_content" not in talk.assistant[0]


# --- thoughts of Messages and Responses, for clients of chat completions

THOUGHT: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm.", "signature": "SIG1"},
    {"type": "redacted_thinking", "data": "SECRET"},
    {"type": "thinking", "thinking": "So.", "signature": "SIG2"},
]
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}


def started(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a block."""
    begin = {**block, "thinking": "", "signature": ""} if "thinking" in block else block
    events = [{"type": "content_block_start", "index": index, "content_block": begin}]
    if "thinking" in block:
        for name in ("thinking", "signature"):
            delta = {"type": f"{name}_delta", name: block[name]}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
    return [*events, {"type": "content_block_stop", "index": index}]


@pytest.mark.parametrize("client", ["chat", "responses"])
@pytest.mark.parametrize("whole", [True, False])
def test_signed_thoughts_come_back_block_by_block(client: str, *, whole: bool) -> None:
    talk = Conversation(client, messages.CODEC)
    content: list[dict[str, Any]] = [*THOUGHT, USE]
    if whole:
        talk.heard({"content": content, "stop_reason": "tool_use"})
    else:
        blocks = [event for at, block in enumerate(content) for event in started(at, block)]
        end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}
        talk.streamed(
            {"type": "message_start", "message": {}},
            *blocks,
            end,
            {"type": "message_stop"},
            done=False,
        )
    assert talk.asks["messages"][1]["content"] == content


@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize("name", ["sealed_thought", "summary"])
def test_encrypted_thoughts_come_back_under_their_ids(client: str, name: str) -> None:
    talk = Conversation(client, responses.CODEC).streamed(*RESPONSES[name], done=False)
    told = RESPONSES[name][-1]["response"]["output"][0]
    back = next(item for item in talk.asks["input"] if item.get("type") == "reasoning")
    assert (back["id"], back["encrypted_content"]) == (told["id"], told["encrypted_content"])


# --- Gemini signs texts too


def candidate(*parts: dict[str, Any], ends: bool = True) -> dict[str, Any]:
    reason = {"finishReason": "STOP"} if ends else {}
    return {"candidates": [{"content": {"parts": list(parts)}, **reason}]}


@pytest.mark.parametrize("client", CODECS)
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("thinks", [True, False])
def test_the_signature_of_a_text_comes_back_on_it(
    client: str, *, whole: bool, thinks: bool
) -> None:
    thought: list[dict[str, Any]] = [{"text": "Hm.", "thought": True}] if thinks else []
    talk = Conversation(client, GeminiCodec())
    if whole:
        talk.heard(candidate(*thought, {"text": "Hi there", "thoughtSignature": "SIG"}))
    else:
        pieces: list[dict[str, Any]] = [*thought, {"text": "Hi "}, {"text": "there"}]
        last = candidate({"text": "", "thoughtSignature": "SIG"})
        talk.streamed(*(candidate(one, ends=False) for one in pieces), last, done=False)
    parts = talk.asks["contents"][1]["parts"]
    assert parts[-1] == {"text": "Hi there", "thoughtSignature": "SIG"}


@pytest.mark.parametrize("client", CODECS)
def test_the_signatures_of_a_text_and_of_a_call_come_back_to_each(client: str) -> None:
    use = {"functionCall": {"id": "c1", "name": "f", "args": {}}, "thoughtSignature": "OF CALL"}
    talk = Conversation(client, GeminiCodec())
    talk.heard(candidate({"text": "Let me see.", "thoughtSignature": "OF TEXT"}, use))
    talk.heard(candidate({"text": "Fine.", "thoughtSignature": "LAST"}))
    contents = talk.asks["contents"]
    assert contents[1]["parts"] == [{"text": "Let me see.", "thoughtSignature": "OF TEXT"}, use]
    assert contents[3]["parts"] == [{"text": "Fine.", "thoughtSignature": "LAST"}]


def test_a_seal_without_anything_else_is_an_answer() -> None:
    talk = Conversation("messages", GeminiCodec())
    talk.heard(candidate({"text": "", "thoughtSignature": "ALONE"}))
    assert talk.asks["contents"][1]["parts"] == [{"text": "", "thoughtSignature": "ALONE"}]
