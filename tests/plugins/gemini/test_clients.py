"""Gemini through the official SDKs of OpenAI and Anthropic, over two nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

from tests.plugins.gemini.clients import CLIENTS
from tests.plugins.gemini.gemini import FOREIGN, Gemini, Refused, answer, call, part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.genai import types

    from tests.plugins.gemini.clients import Chat, Messages, Responses
    from tests.plugins.gemini.conftest import Asking, Meeting
    from tests.plugins.gemini.gemini import Request

    Client = Chat | Responses | Messages

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    """The server of the local API runs on asyncio only."""
    return "asyncio", {"use_uvloop": False}


STOPPED = {"chat": "stop", "responses": "completed", "messages": "end_turn"}
CALLED = {"chat": "tool_calls", "responses": "completed", "messages": "tool_use"}
PNG = "data:image/png;base64,iVBORw0KGgo="
SEALS = (b"one and \x00\xff" * 60, b"two", b"three")

each_client = pytest.mark.parametrize("name", CLIENTS)
streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def client(name: str, asking: Asking) -> Client:
    return CLIENTS[name](asking)


def pieces(
    request: Request, stream: bool, *parts: types.Part, **more: Any
) -> Sequence[types.GenerateContentResponse]:
    """Return an answer in one event, or in one for each part and a last one without any."""
    if not stream:
        return [answer(*parts, **more)]
    return [*(answer(one, reason=None) for one in parts), answer(part(""), **more)]


@each_client
@streamed_or_not
async def test_a_text_with_an_instruction(name: str, stream: bool, meeting: Meeting) -> None:
    counts = {
        "prompt_token_count": 40,
        "cached_content_token_count": 30,
        "candidates_token_count": 6,
        "thoughts_token_count": 4,
        "total_token_count": 50,
    }

    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        return pieces(request, stream, part("Good "), part("day."), usage=counts)

    gemini = Gemini(says)
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("Hello.")
        instruction: dict[str, dict[str, Any]] = {
            "chat": {},
            "responses": {"instructions": "Be polite."},
            "messages": {"system": "Be polite."},
        }
        if name == "chat":
            asker.said.insert(0, {"role": "system", "content": "Be polite."})
        more = {**instruction[name], "extra_body": {"temperature": 0.5}}
        heard = await asker.ask(stream=stream, **more)
    assert (heard.text, heard.reason) == ("Good day.", STOPPED[name])
    assert heard.usage == (40, 10, 30, 4)
    [asked] = gemini.asked
    assert asked.system_instruction is not None
    assert [one.text for one in asked.system_instruction.parts or ()] == ["Be polite."]
    [content] = asked.contents
    assert (content.role, [one.text for one in content.parts or ()]) == ("user", ["Hello."])
    assert asked.config.temperature == 0.5
    assert asked.config.max_output_tokens == (999 if name == "messages" else None)
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    assert gemini.targets == [f"/v1beta/models/gemini-3-flash:{method}"]


@each_client
@streamed_or_not
async def test_a_loop_of_tools_gives_each_signature_back(
    name: str, stream: bool, meeting: Meeting
) -> None:
    """Over three turns; the fake refuses a call of this turn without what it signed."""
    turns = [
        [
            part("I look. ", thought=True, thought_signature=SEALS[2]),
            call("weather", SEALS[0], city="Oslo"),
            call("weather", city="Rome"),
        ],
        [call("map", SEALS[1], id="g-7", city="Oslo")],
        [part("Rainy.", thought_signature=SEALS[2])],
    ]

    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        done = sum(content.role == "model" for content in request.contents)
        return pieces(request, stream, *turns[done])

    gemini = Gemini(says)
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("How is the weather?")
        tools = ["weather", "map"]
        heard = await asker.ask(stream=stream, tools=tools)
        assert [(one.name, one.arguments) for one in heard.calls] == [
            ("weather", {"city": "Oslo"}),
            ("weather", {"city": "Rome"}),
        ]
        assert (heard.reason, heard.thoughts) == (CALLED[name], "I look. ")
        asker.results({heard.calls[0].id: "rain", heard.calls[1].id: "sun"})
        heard = await asker.ask(stream=stream, tools=tools)
        assert [(one.name, one.arguments) for one in heard.calls] == [("map", {"city": "Oslo"})]
        asker.results({heard.calls[0].id: "a map"})
        heard = await asker.ask(stream=stream, tools=tools)
    assert (heard.text, heard.reason) == ("Rainy.", STOPPED[name])
    said = [one for content in gemini.asked[-1].contents for one in content.parts or ()]
    [thought] = [one for one in said if one.thought]
    assert (thought.text, thought.thought_signature) == ("I look. ", SEALS[2])
    calls = [one for one in said if one.function_call is not None]
    assert [one.thought_signature for one in calls] == [SEALS[0], None, SEALS[1]]
    assert calls[2].function_call is not None
    assert calls[2].function_call.id == "g-7"
    results = [one.function_response for one in said if one.function_response is not None]
    assert [one.response for one in results] == [
        {"output": "rain"},
        {"output": "sun"},
        {"output": "a map"},
    ]


ONE_CALL: dict[str, dict[str, Any]] = {
    "chat": {"parallel_tool_calls": False},
    "responses": {"parallel_tool_calls": False},
    "messages": {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
}


@each_client
@streamed_or_not
async def test_a_client_that_wants_one_call_at_a_time_gets_one(
    name: str, stream: bool, meeting: Meeting
) -> None:
    both = [call("weather", SEALS[0], city="Oslo"), call("weather", city="Rome")]

    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        done = len(request.contents) > 1
        return pieces(request, stream, *([part("Rainy.")] if done else both))

    async with meeting(Gemini(says)) as asking:
        asker = client(name, asking)
        asker.user("How is the weather?")
        heard = await asker.ask(stream=stream, tools=["weather"], **ONE_CALL[name])
        assert [one.arguments for one in heard.calls] == [{"city": "Oslo"}]
        assert heard.reason == CALLED[name]
        asker.results({heard.calls[0].id: "rain"})
        heard = await asker.ask(stream=stream, tools=["weather"], **ONE_CALL[name])
    assert heard.text == "Rainy."


async def test_tokens_are_counted_without_an_answer(meeting: Meeting) -> None:
    gemini = Gemini(lambda request: [])
    async with meeting(gemini) as asking:
        sdk = anthropic.AsyncAnthropic(base_url=asking.url, api_key=asking.token, max_retries=0)
        asking.sdks.append(sdk)
        tools: Any = [{"name": "weather", "input_schema": {"type": "object"}}]
        said: Any = [{"role": "user", "content": "Hello."}]
        counted = await sdk.messages.count_tokens(
            model="g", messages=said, tools=tools, system="Be polite."
        )
    assert counted.input_tokens == 1001
    [asked] = gemini.asked
    assert (asked.system_instruction is None, asked.tools is None) == (False, False)
    assert gemini.targets == ["/v1beta/models/gemini-3-flash:countTokens"]


@each_client
async def test_a_picture(name: str, meeting: Meeting) -> None:
    gemini = Gemini(lambda request: [answer(part("A cat."))])
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.image("What is it?", PNG)
        heard = await asker.ask(stream=False)
    assert heard.text == "A cat."
    [content] = gemini.asked[0].contents
    text, picture = content.parts or []
    assert text.text == "What is it?"
    assert picture.inline_data is not None
    assert (picture.inline_data.mime_type, picture.inline_data.data) == (
        "image/png",
        b"\x89PNG\r\n\x1a\n",
    )


SHAPE = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORMATS: dict[str, dict[str, Any]] = {
    "chat": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SHAPE}}
    },
    "responses": {"text": {"format": {"type": "json_schema", "name": "n", "schema": SHAPE}}},
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": SHAPE}}},
}


@each_client
@streamed_or_not
async def test_json_of_a_schema(name: str, stream: bool, meeting: Meeting) -> None:
    gemini = Gemini(lambda request: pieces(request, stream, part('{"n":'), part(" 3}")))
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("How many?")
        heard = await asker.ask(stream=stream, **FORMATS[name])
    assert heard.text == '{"n": 3}'
    config = gemini.asked[0].config
    assert config.response_mime_type == "application/json"
    assert config.response_json_schema == SHAPE


ENDS = {
    "MAX_TOKENS": {"chat": "length", "responses": "max_output_tokens", "messages": "max_tokens"},
    "SAFETY": {"chat": "content_filter", "responses": "content_filter", "messages": "refusal"},
}


@each_client
@streamed_or_not
@pytest.mark.parametrize("reason", ENDS)
async def test_an_answer_that_did_not_come_to_its_own_end(
    reason: str, name: str, stream: bool, meeting: Meeting
) -> None:
    gemini = Gemini(lambda request: pieces(request, stream, part("Once "), reason=reason))
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("Tell me.")
        heard = await asker.ask(stream=stream)
    assert (heard.text, heard.reason) == ("Once ", ENDS[reason][name])


async def failure(asker: Client, *, stream: bool) -> Any:
    with pytest.raises((openai.APIError, anthropic.APIError)) as caught:
        await asker.ask(stream=stream)
    return caught.value


@each_client
@streamed_or_not
async def test_a_prompt_that_a_filter_stops(name: str, stream: bool, meeting: Meeting) -> None:
    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        whole = answer()
        blocked = {"blockReason": "PROHIBITED_CONTENT"}
        return [type(whole).model_validate({"promptFeedback": blocked})]

    gemini = Gemini(says)
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("Tell me.")
        error = await failure(asker, stream=stream)
    assert error.status_code == 400
    assert "PROHIBITED_CONTENT" in str(error)
    assert len(gemini.asked) == 1
    if name != "messages":
        assert error.code == "content_filter"


@each_client
@streamed_or_not
async def test_a_request_that_is_refused(name: str, stream: bool, meeting: Meeting) -> None:
    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        raise Refused(400, "INVALID_ARGUMENT", "Budget 7 is invalid.")

    gemini = Gemini(says)
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("Tell me.")
        error = await failure(asker, stream=stream)
    assert (error.status_code, len(gemini.asked)) == (400, 1)
    assert "Budget 7 is invalid." in str(error)


@each_client
async def test_a_rate_that_is_used_up_is_waited_for_as_long_as_the_body_says(
    name: str, meeting: Meeting
) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}
    left = [Refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", (info,))]

    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        if left:
            raise left.pop()
        return [answer(part("At last."))]

    gemini = Gemini(says)
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("Tell me.")
        heard = await asker.ask(stream=False)
    assert (heard.text, len(gemini.asked)) == ("At last.", 2)


async def test_the_client_is_told_how_long_to_wait(meeting: Meeting) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3600s"}

    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        raise Refused(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", (info,))

    async with meeting(Gemini(says)) as asking:
        asker = client("chat", asking)
        asker.user("Tell me.")
        error = await failure(asker, stream=False)
    assert error.status_code == 429
    assert error.response.headers["retry-after"] == "3600"
    assert error.type == "rate_limit_error"


async def test_a_key_that_is_refused_counts_as_one(meeting: Meeting) -> None:
    async with meeting(Gemini(lambda request: [])) as asking:
        pass
    async with meeting(Gemini(lambda request: []), api_key="another-key-0123456789") as asking:
        asker = client("chat", asking)
        asker.user("Tell me.")
        error = await failure(asker, stream=False)
    assert (error.status_code, error.code) == (401, "invalid_api_key")


async def test_an_error_in_counting_has_the_words_of_the_codec(meeting: Meeting) -> None:
    async with meeting(Gemini(lambda request: []), api_key="another-key-0123456789") as asking:
        sdk = anthropic.AsyncAnthropic(base_url=asking.url, api_key=asking.token, max_retries=0)
        asking.sdks.append(sdk)
        said: Any = [{"role": "user", "content": "Hello."}]
        with pytest.raises(anthropic.AuthenticationError, match=r"API key not valid\."):
            await sdk.messages.count_tokens(model="g", messages=said)


@pytest.mark.parametrize(
    ("delay", "headers"),
    [("1234567s", ("86400", None)), ("3600.25s", ("3601", "3600250"))],
)
async def test_the_time_to_wait_is_in_whole_seconds(
    delay: str, headers: tuple[str, str | None], meeting: Meeting
) -> None:
    def says(request: Request) -> Sequence[types.GenerateContentResponse]:
        raise Refused(429, "RESOURCE_EXHAUSTED", "Slow.", ({"retryDelay": delay},))

    async with meeting(Gemini(says)) as asking:
        asker = client("chat", asking)
        asker.user("Tell me.")
        told = (await failure(asker, stream=False)).response.headers
    assert (told.get("retry-after"), told.get("retry-after-ms")) == headers


@each_client
async def test_a_stream_that_is_cut_never_looks_whole(name: str, meeting: Meeting) -> None:
    gemini = Gemini(lambda request: [answer(part("Once "), reason=None)], cut=True)
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("Tell me.")
        assert await failure(asker, stream=True) is not None


@each_client
async def test_a_stream_without_a_reason_for_its_end_never_looks_whole(
    name: str, meeting: Meeting
) -> None:
    gemini = Gemini(lambda request: [answer(part("Once "), reason=None)])
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("Tell me.")
        assert await failure(asker, stream=True) is not None


@each_client
async def test_calls_of_another_model_go_on_with_gemini(name: str, meeting: Meeting) -> None:
    gemini = Gemini(lambda request: [answer(part("Rainy."))])
    theirs: dict[str, list[Any]] = {
        "chat": [
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
                    }
                ],
            }
        ],
        "responses": [
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "weather",
                "arguments": '{"city": "Oslo"}',
            }
        ],
        "messages": [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"},
                    {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}},
                ],
            }
        ],
    }
    async with meeting(gemini) as asking:
        asker = client(name, asking)
        asker.user("How is the weather?")
        asker.said += theirs[name]
        asker.results({"call_1": "rain"})
        heard = await asker.ask(stream=False, tools=["weather"])
    assert heard.text == "Rainy."
    [made] = gemini.asked[0].contents[1].parts or []
    assert made.thought_signature == FOREIGN
