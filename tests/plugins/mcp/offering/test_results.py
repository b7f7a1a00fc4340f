"""What a call gave, as MCP clients get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_mcp.offering.results import OUTPUT, Output, failure_result, native_result
from clawmatrix_mcp.offering.shown import carried
from clawmatrix_tool_proxy.api import Cut, ToolFailed, ToolResult

if TYPE_CHECKING:
    from clawmatrix_core import JSON


def output(*parts: bytes) -> Output:
    made = Output()
    for part in parts:
        made.add(part)
    return made


def text(result: Any) -> str:
    [block] = result["content"]
    found: str = block["text"]
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "null"), (0, "0"), ("", ""), ([], "[]"), ({}, "{}"), ("words", "words"), (1.5, "1.5")],
)
def test_empty_results_are_results(value: JSON, expected: str) -> None:
    result = native_result(ToolResult(value), Output())
    assert text(result) == expected
    assert result["isError"] is False
    assert ("structuredContent" in result) == isinstance(value, dict)


def test_a_command_that_failed_is_a_result_with_its_status_and_no_error() -> None:
    result = native_result(ToolResult({"exitStatus": 3}), output(b"oops\n"))
    assert text(result) == 'oops\n{"exitStatus":3}'
    assert result["structuredContent"] == {"exitStatus": 3}
    assert result["isError"] is False


def test_output_alone_is_the_text() -> None:
    assert text(native_result(ToolResult(None), output(b"a\n", b"b"))) == "a\nb"


def test_output_that_is_no_text_is_said_to_be_base64() -> None:
    assert text(native_result(ToolResult(None), output(b"\xff\x00"))).endswith("base64] /wA=")


@pytest.mark.bound("clawmatrix_mcp.offering.results.OUTPUT")
def test_output_beyond_its_bound_is_dropped_and_the_result_says_so() -> None:
    made = output("é".encode() * (OUTPUT // 2 - 1), b"x", "éé".encode())
    assert made.lost == 3
    found = text(native_result(ToolResult(None, Cut(output=2, result=4)), made))
    assert found.endswith(
        "éx\n[5 bytes of output were left out]\n[4 bytes of the result were left out]"
    )
    assert made.tail().endswith("éx\ufffd")


@pytest.mark.parametrize("deep", ["list", "dict"])
def test_a_result_that_is_nested_too_deep_is_an_error(deep: str) -> None:
    value: JSON = None
    for _ in range(5000):
        value = [value] if deep == "list" else {"a": value}
    result = native_result(ToolResult(value), Output())
    assert result["isError"]
    raw: JSON = {"content": [], "structuredContent": {"a": value}, "resultType": "complete"}
    for version in ("2025-11-25", "2026-07-28"):
        assert carried(raw, version)["isError"]


def test_what_is_pending_says_how_to_go_on() -> None:
    error = ToolFailed("approval_pending", "it waits", may_have_run=False)
    assert "clawmatrix approvals" in text(failure_result(error, "office", Output()))


def test_what_is_in_doubt_says_so() -> None:
    error = ToolFailed("lost", "the node is gone", may_have_run=True, in_doubt=True)
    found = text(failure_result(error, "office", output(b"so far")))
    assert found.startswith("so far\nthe node is gone (lost). The tool may have run")
