"""Gemini's codec: what is written, what is read, and what is refused by its place."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from clawmatrix_gemini.codec import GeminiCodec
from clawmatrix_model_proxy.api import (
    Audio,
    BadAnswer,
    Block,
    Completed,
    Failed,
    File,
    Finish,
    Image,
    NeutralAnswer,
    NeutralRequest,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
    Unsupported,
    UpstreamError,
    Usage,
)
from tests.plugins.gemini.gemini import Request

CODEC = GeminiCodec()
HELLO = Turn("user", (Text("Hello."),))
TOOL = Tool("weather", "Looks outside.", {"type": "object", "properties": {}})


def written(*turns: Turn, model: str = "gemini-3-pro", **more: Any) -> Request:
    """Return a request as Google's own types read it."""
    request = NeutralRequest("chat", turns or (HELLO,), **more)
    return Request.model_validate(CODEC.write_request(request, model=model, max_tokens=9))


def read(*events: dict[str, Any]) -> list[Any]:
    reader = CODEC.reader(new_id=str)
    return [event for one in events for event in reader.read(one)] + list(reader.done())


def candidate(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}]}


def answered(body: dict[str, Any]) -> NeutralAnswer:
    ids = (f"{n}" for n in itertools.count())
    return CODEC.read_answer(body, new_id=lambda kind: kind + next(ids))


# --- requests


def test_instructions_stand_apart_from_the_conversation() -> None:
    asked = written(
        Turn("system", (Text("A"),)),
        HELLO,
        Turn("developer", (Text("B"),)),
        Turn("assistant", (Text(""), Refusal("No."))),
        Turn("user", (Text("Why?"),)),
    )
    assert asked.system_instruction is not None
    assert [one.text for one in asked.system_instruction.parts or ()] == ["A", "B"]
    assert [(one.role, len(one.parts or ())) for one in asked.contents] == [
        ("user", 1),
        ("model", 1),
        ("user", 1),
    ]


def test_a_request_in_which_nobody_says_anything_is_refused() -> None:
    with pytest.raises(Unsupported, match="something that a user said"):
        written(Turn("system", (Text("A"),)))


def test_media_travel_inline_or_by_their_address() -> None:
    asked = written(
        Turn(
            "user",
            (
                Image("data:image/png;base64,iVBORw0KGgo="),
                Image("https://example.org/cat.jpg?size=2"),
                File("data:application/pdf;base64,JVBERg==", name="a.pdf"),
                File(text="Plain."),
                Audio("UklGRg==", "wav"),
            ),
        )
    )
    picture, there, document, plain, sound = asked.contents[0].parts or []
    assert picture.inline_data is not None
    assert there.file_data is not None
    assert (there.file_data.file_uri, there.file_data.mime_type) == (
        "https://example.org/cat.jpg?size=2",
        "image/jpeg",
    )
    assert document.inline_data is not None
    assert document.inline_data.mime_type == "application/pdf"
    assert plain.text == "Plain."
    assert sound.inline_data is not None
    assert (sound.inline_data.mime_type, sound.inline_data.data) == ("audio/wav", b"RIFF")


@pytest.mark.parametrize("part", [Image(file_id="f-1"), Image("data:image/svg+xml,<svg/>")])
def test_media_that_cannot_be_read_there_are_refused(part: Image) -> None:
    with pytest.raises(Unsupported, match=r"^messages: "):
        written(Turn("user", (part,)))


def test_results_go_back_in_one_content_with_their_pictures() -> None:
    calls = (ToolCall("c-1", "weather", ""), ToolCall("c-2", "weather", '{"city":"Oslo"}'))
    asked = written(
        HELLO,
        Turn("assistant", calls),
        Turn("tool", (ToolResult("c-1", (Text("rain"),), failed=True),)),
        Turn("tool", (ToolResult("c-2", (Image("data:image/png;base64,iVBORw0KGgo="),)),)),
        Turn("user", (Text("And now?"),)),
        tools=(TOOL,),
    )
    results = [one.function_response for one in asked.contents[2].parts or ()]
    assert [(one.id, one.name, one.response) for one in results if one is not None] == [
        ("c-1", "weather", {"error": "rain"}),
        ("c-2", "weather", {"output": ""}),
    ]
    assert results[1] is not None
    [picture] = results[1].parts or []
    assert picture.inline_data is not None
    assert [one.role for one in asked.contents] == ["user", "model", "user", "user"]


def test_a_document_of_text_in_a_result_is_words_of_the_result() -> None:
    parts = (Text("Found:"), File(text="rain"), Image("data:image/png;base64,iVBORw0KGgo="))
    asked = written(
        HELLO,
        Turn("assistant", (ToolCall("c-1", "weather", ""),)),
        Turn("tool", (ToolResult("c-1", parts),)),
        tools=(TOOL,),
    )
    [result] = [one.function_response for one in asked.contents[2].parts or ()]
    assert result is not None
    assert result.response == {"output": "Found:\n\nrain"}
    assert [one.inline_data is not None for one in result.parts or ()] == [True]


@pytest.mark.parametrize(
    ("turn", "what"),
    [
        (Turn("tool", (ToolResult("c-9", ()),)), "no call 'c-9'"),
        (Turn("assistant", (ToolCall("c", "f", "[1]"),)), "not a JSON object"),
        (Turn("assistant", (ToolCall("c", "f", "x", free=True),)), "not a JSON object"),
    ],
)
def test_calls_and_results_that_do_not_fit_are_refused(turn: Turn, what: str) -> None:
    with pytest.raises(Unsupported, match=what):
        written(HELLO, turn)


def test_a_thought_goes_back_where_google_signed_it_and_nowhere_else() -> None:
    asked = written(
        HELLO,
        Turn(
            "assistant",
            (
                Reasoning("A", sealed="c2lnbmVk", sealed_by="google"),
                Reasoning("B", sealed="c2lnbmVk", sealed_by="messages"),
                Reasoning("C"),
                Text("Hello."),
            ),
        ),
        Turn("user", (Text("Go on."),)),
    )
    thought, said = asked.contents[1].parts or []
    assert (thought.text, thought.thought, thought.thought_signature) == ("A", True, b"signed")
    assert said.text == "Hello."


@pytest.mark.parametrize(("model", "signs"), [("gemini-2.5-pro", False), ("gemini-3-pro", True)])
def test_only_models_that_insist_on_signatures_get_one_for_foreign_calls(
    model: str, signs: bool
) -> None:
    asked = written(
        HELLO,
        Turn("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))),
        Turn("tool", (ToolResult("a", ()), ToolResult("b", ()))),
        model=model,
    )
    found = [one.thought_signature is not None for one in asked.contents[1].parts or ()]
    assert found == [signs, False]


@pytest.mark.parametrize(
    ("choice", "strict", "mode", "names"),
    [
        (None, None, None, None),
        (ToolChoice("auto"), None, None, None),
        (None, True, "VALIDATED", None),
        (ToolChoice("auto", ("weather",)), None, "VALIDATED", ["weather"]),
        (ToolChoice("none"), None, "NONE", None),
        (ToolChoice("required"), None, "ANY", None),
        (ToolChoice("named", ("weather",)), None, "ANY", ["weather"]),
    ],
)
def test_which_tools_may_be_asked_for(
    choice: ToolChoice | None, strict: bool | None, mode: str | None, names: list[str] | None
) -> None:
    tool = Tool("weather", None, {"type": "object"}, strict)
    asked = written(tools=(tool,), tool_choice=choice)
    [listed] = asked.tools or []
    [declared] = listed.function_declarations or []
    assert (declared.name, declared.parameters_json_schema) == ("weather", {"type": "object"})
    calling = asked.tool_config.function_calling_config if asked.tool_config else None
    found = (
        (calling.mode.value, calling.allowed_function_names) if calling and calling.mode else None
    )
    assert found == (None if mode is None else (mode, names))


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"tool_choice": ToolChoice("required")}, "tool_choice"),
        ({"tools": (Tool("f", free=True),)}, "tools[0]"),
        ({"settings": {"effort": "enormous"}}, "effort"),
        ({"settings": {"logit_bias": {"1": 2}}, "strict": True}, "logit_bias"),
        ({"settings": {"n": 2}}, "n"),
    ],
)
def test_what_gemini_has_no_place_for_is_refused(more: dict[str, Any], place: str) -> None:
    with pytest.raises(Unsupported) as caught:
        written(**more)
    assert caught.value.param == place


def test_settings_have_their_places() -> None:
    settings = {
        "max_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop": ["x"],
        "seed": 3,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "user": "someone",
        "prompt_cache_key": "k",
    }
    config = written(settings=settings, format=ResponseFormat("json")).config
    assert config.model_dump(exclude_none=True) == {
        "max_output_tokens": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["x"],
        "seed": 3,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "response_mime_type": "application/json",
    }


@pytest.mark.parametrize(
    ("model", "settings", "expected"),
    [
        ("gemini-3-pro", {"effort": "low"}, (None, "LOW", True)),
        ("gemini-3-pro", {"effort": "max"}, (None, "HIGH", True)),
        ("gemini-3-flash", {"effort": "none"}, (None, "MINIMAL", None)),
        ("gemini-2.5-flash", {"effort": "none"}, (0, None, None)),
        ("models/gemini-2.5-pro", {"effort": "medium"}, (8192, None, True)),
        (
            "gemini-2.5-pro",
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            (2000, None, True),
        ),
        (
            "gemini-2.5-flash",
            {"thinking": {"type": "enabled", "budget_tokens": 31_999}},
            (24_576, None, True),
        ),
        ("gemini-2.5-pro", {"effort": "none"}, (128, None, None)),
        ("gemini-3-pro", {"thinking": {"type": "adaptive"}}, (None, None, True)),
        ("gemini-3-pro", {"reasoning_summary": "auto"}, (None, None, True)),
        ("gemini-3-pro", {"reasoning_summary": "none", "effort": "high"}, (None, "HIGH", None)),
    ],
)
def test_how_much_to_think(model: str, settings: dict[str, Any], expected: tuple[Any, ...]) -> None:
    thinking = written(model=model, settings=settings).config.thinking_config
    assert thinking is not None
    level = thinking.thinking_level and thinking.thinking_level.value
    assert (thinking.thinking_budget, level, thinking.include_thoughts) == expected


# --- answers


def test_a_whole_answer_is_read() -> None:
    body = candidate(
        {"text": "Hm.", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": "c2Vl"},
        {"text": "I look."},
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2Vh"},
        {"functionCall": {"name": "g", "id": "x"}},
        finishReason="STOP",
    )
    body |= {
        "responseId": "r",
        "modelVersion": "gemini-3",
        "usageMetadata": {"promptTokenCount": 3},
    }
    assert answered(body) == NeutralAnswer(
        "r",
        "gemini-3",
        0,
        (
            Block("summary", "Hm.", sealed="c2Vl", sealed_by="google"),
            Block("text", "I look."),
            Block("tool", '{"a":1}', "call_0", "f", sealed="c2Vh", sealed_by="google"),
            Block("tool", "{}", "x", "g"),
        ),
        "tool_calls",
        Usage(3, 0, None, None, None),
    )


def test_a_part_may_have_words_and_a_call() -> None:
    call = {"functionCall": {"name": "f", "id": "c"}, "thoughtSignature": "c2Vl"}
    found = answered(candidate({"text": "I look.", **call}, finishReason="STOP"))
    assert found.blocks == (
        Block("text", "I look."),
        Block("tool", "{}", "c", "f", sealed="c2Vl", sealed_by="google"),
    )


def test_a_count_below_nothing_is_nothing() -> None:
    counts = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    body = candidate({"text": "x"}, finishReason="STOP")
    body["usageMetadata"] = {**dict.fromkeys(counts, -5), "cachedContentTokenCount": -1}
    assert answered(body).usage == Usage(0, 0, 0, None, 0)


def test_an_answer_without_words_is_one_where_a_limit_ended_it() -> None:
    body = {
        "candidates": [{"finishReason": "MAX_TOKENS"}],
        "usageMetadata": {"promptTokenCount": 8},
    }
    found = answered(body)
    assert (found.blocks, found.reason, found.usage) == ((), "length", Usage(8))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"candidates": []},
        candidate({"text": "Hi."}),
        candidate({"text": 5}, finishReason="STOP"),
        candidate({"inlineData": {"mimeType": "image/png"}}, finishReason="STOP"),
        candidate({"executableCode": {"code": "1"}}, finishReason="STOP"),
        candidate({"functionCall": {"args": {}}}, finishReason="STOP"),
        candidate({"functionCall": {"name": "f", "willContinue": True}}, finishReason="STOP"),
        {"candidates": [{"finishReason": "STOP"}, {"index": 1, "finishReason": "STOP"}]},
    ],
)
def test_what_is_no_answer_is_none(body: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        answered(body)


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "OTHER", "MALFORMED_RESPONSE"])
def test_an_end_that_is_a_fault_is_an_error(reason: str) -> None:
    with pytest.raises(UpstreamError, match=reason) as caught:
        answered(candidate({"text": "Hi."}, finishReason=reason))
    assert caught.value.words.type == "api_error"
    events = read(candidate({"text": "Hi."}), candidate(finishReason=reason))
    assert isinstance(events[-1], Failed)


def test_a_reason_that_is_new_is_an_end_where_something_was_said() -> None:
    assert answered(candidate({"text": "Hi."}, finishReason="SOMETHING_NEW")).reason == "stop"
    *_, finish, end = [*read(candidate({"text": "Hi."}), candidate(finishReason="SOMETHING_NEW"))]
    assert (finish, end) == (Finish("stop"), Completed())
    with pytest.raises(UpstreamError, match="SOMETHING_NEW"):
        answered(candidate(finishReason="SOMETHING_NEW"))


def test_a_stream_is_whole_with_the_reason_for_its_end() -> None:
    reader = CODEC.reader(new_id=str)
    finished = [reader.finished]
    list(reader.read(candidate({"text": "Hi."})))
    assert list(reader.done()) == []
    list(reader.read(candidate(finishReason="STOP")))
    finished.append(reader.finished)
    list(reader.read({"usageMetadata": {"candidatesTokenCount": 4}}))
    assert list(reader.done()) == [Finish("stop", Usage(0, 4)), Completed()]
    assert list(reader.done()) == []
    assert finished == [False, True]


def test_more_of_an_answer_behind_its_end_is_a_fault() -> None:
    with pytest.raises(BadAnswer, match="had ended"):
        read(candidate({"text": "Hi."}, finishReason="STOP"), candidate({"text": " And"}))


def test_an_error_in_a_stream_ends_it() -> None:
    error = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    [*_, failed] = read(candidate({"text": "Hi."}), error, candidate({"text": "x"}))
    assert failed == Failed(
        {"message": "Overloaded.", "type": "overloaded_error", "code": "UNAVAILABLE"}
    )


# --- errors


def test_errors_are_put_into_words_that_are_known() -> None:
    def words(status: int, word: str, message: str, *details: dict[str, Any]) -> Any:
        error = {"code": status, "message": message, "status": word, "details": list(details)}
        found = CODEC.read_error(status, {"error": error})
        assert found.message == message
        return (found.type, found.code, found.status, found.retry_after)

    assert words(429, "RESOURCE_EXHAUSTED", "Slow.", {"retryDelay": "8.5s"}) == (
        "rate_limit_error",
        "RESOURCE_EXHAUSTED",
        None,
        8.5,
    )
    long = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
    assert words(400, "INVALID_ARGUMENT", long)[1] == "context_length_exceeded"
    assert words(400, "INVALID_ARGUMENT", "No.", {"reason": "API_KEY_INVALID"})[2] == 401
    assert words(418, "TEAPOT", "Tea.", {"retryDelay": "soon"}) == (
        "upstream_error",
        "TEAPOT",
        None,
        None,
    )
    assert CODEC.read_error(500, {}).message == "the upstream answered 500"


@pytest.mark.parametrize(("delay", "seconds"), [("9" * 400 + "s", 86_400), ("1234567s", 86_400)])
def test_a_delay_is_a_day_at_most(delay: str, seconds: float) -> None:
    error = {"code": 429, "message": "Slow.", "details": [{"retryDelay": delay}]}
    assert CODEC.read_error(429, {"error": error}).retry_after == seconds


@pytest.mark.parametrize("total", [None, "7", 7.5, -1])
def test_a_count_that_is_none_is_no_answer(total: Any) -> None:
    with pytest.raises(BadAnswer, match="totalTokens"):
        CODEC.read_count({"totalTokens": total})


def test_models_are_listed_by_their_names() -> None:
    listed = {"models": [{"name": "models/gemini-3-pro"}, {"name": 5}, "x", {"name": "tuned/a"}]}
    assert list(CODEC.read_models(listed)) == ["gemini-3-pro", "tuned/a"]
    assert list(CODEC.read_models({"models": 5})) == []
    assert CODEC.next_models({"nextPageToken": "a b&c"}) == "pageToken=a%20b%26c"
    assert CODEC.next_models({"nextPageToken": 5}) == ""


# --- rules


def test_a_request_keeps_to_what_gemini_refuses() -> None:
    rules = CODEC.rules
    assert rules.tool_names is not None
    taken = [rules.tool_names.take(name) for name in ("a.b:c", "_x", "1x", "x" * 64, "x" * 65)]
    assert taken == [True, True, False, True, False]
    assert rules.tool_names.with_other_letters("1 x") == "_1_x"
    assert rules.stops is not None
    assert (rules.stops.most, rules.json) == (5, True)
    assert [rules.ranges["temperature"].nearest(value) for value in (0, 2, 3)] == [0, 2, 2]
