"""What is read of errors, in whichever shape servers write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clawmatrix_model_proxy.error_text import DEPTH, MESSAGES, WORDS, error_text, error_text_of

SHAPES: dict[str, Any] = {
    "OpenAI": {"error": {"message": "no", "type": "t", "code": "c", "param": "p"}},
    "Anthropic": {"type": "error", "error": {"type": "c", "message": "no"}},
    "a text": {"error": "no", "code": "c"},
    "FastAPI": {"detail": "no", "code": "c"},
    "validation": {"detail": [{"type": "c", "loc": ["body", "x"], "msg": "no"}]},
    "Bedrock": {"__type": "c", "message": "no"},
    "a list": [{"error": {"status": "c", "message": "no"}}],
    "vLLM": {"object": "error", "message": "no", "type": "c", "code": 400},
    "Cloudflare": {"success": False, "errors": [{"code": "c", "message": "no"}]},
    "MiniMax": {"base_resp": {"status_code": 2013, "status_msg": "no"}, "code": "c"},
    "Responses": {"type": "response.failed", "response": {"error": {"code": "c", "message": "no"}}},
    "twice": {"error": {"error": {"code": "c", "message": "no"}}},
    "JSON in a text": {"error": json.dumps({"error": {"code": "c", "message": "no"}})},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_each_shape_says_the_same(shape: object) -> None:
    said = error_text(json.dumps(shape).encode())
    assert said.message == "no"
    assert "c" in said.codes


def test_what_another_server_said_comes_behind() -> None:
    raw = json.dumps({"error": {"message": "inner", "code": "deep"}})
    said = error_text_of({"error": {"message": "outer", "metadata": {"raw": raw}}})
    assert said.messages == ["outer", "inner"]
    assert said.text == "outer\ninner"
    assert said.codes == ["deep"]


@pytest.mark.parametrize(
    ("error", "param"),
    [
        ({"error": {"param": "stop"}}, "stop"),
        ({"detail": [{"loc": ["body", "tools", 0, "name"]}]}, "tools.0.name"),
        ({"error": {"param": 7}}, None),
        ({"detail": [{"loc": ["body"]}]}, None),
    ],
)
def test_what_it_is_about_is_read(error: object, param: str | None) -> None:
    assert error_text_of(error).param == param


@pytest.mark.parametrize("body", [b"plain words", b"{plain words", b"\xff\xfe"])
def test_what_is_no_json_is_taken_for_words(body: bytes) -> None:
    assert error_text(body).messages == [body.decode(errors="replace")]


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"7", b"[[]]", b'{"error": null}'])
def test_what_says_nothing_has_no_message(body: bytes) -> None:
    said = error_text(body)
    assert (said.message, said.code, said.param) == ("", None, None)


@pytest.mark.bound("clawmatrix_model_proxy.error_text.DEPTH")
def test_what_is_too_deep_is_not_looked_at() -> None:
    error: Any = {"message": "deep"}
    for _ in range(DEPTH):
        error = {"error": error}
    assert error_text_of({"error": error}).messages == []
    assert error_text_of(error["error"]).messages == ["deep"]


@pytest.mark.bound("clawmatrix_model_proxy.error_text.MESSAGES")
def test_a_few_messages_are_read() -> None:
    said = error_text_of([{"errors": [{"msg": "x"}] * 99, "code": "c"}] * 99)
    assert len(said.messages) == MESSAGES
    assert len(said.codes) <= MESSAGES


@pytest.mark.bound("clawmatrix_model_proxy.error_text.WORDS")
def test_of_a_long_message_the_beginning_is_read() -> None:
    said = error_text_of({"message": "x" * 9999, "code": "y" * 9999, "param": "z" * 9999})
    assert [len(said.message), len(said.codes[0]), len(said.param or "")] == [WORDS] * 3
