"""The bounds on what servers send, each gone past."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse

from clawmatrix_mcp.mounting.bodies import Body
from clawmatrix_mcp.mounting.contents import LISTED
from clawmatrix_mcp.mounting.definitions import (
    ALL_BYTES,
    DEFINITION,
    Budget,
    mounted_name,
    take_definitions,
)
from clawmatrix_mcp.mounting.lines import Lines, Words
from clawmatrix_mcp.mounting.metering import (
    BYTES,
    ERRORS,
    LINE,
    MESSAGES,
    UNANSWERED,
    VALUES,
    Meter,
    ServerFailed,
    check_values,
)
from clawmatrix_mcp.mounting.relayed_progress import KEPT, relayed
from clawmatrix_mcp.mounting.streams import Streams
from clawmatrix_tool_proxy.api import ToolCall, ToolError

if TYPE_CHECKING:
    from clawmatrix_core import JSON


def tool(name: str, **more: JSON) -> JSON:
    """Return the definition of a tool."""
    return {"name": name, "inputSchema": {"type": "object"}, **more}


@pytest.mark.bound("clawmatrix_mcp.mounting.metering.LINE")
def test_a_line_is_given_up_before_it_has_ended() -> None:
    lines = Lines()
    assert list(lines.feed(b"a\n\nb")) == [b"a"]
    assert list(lines.feed(b"c\n")) == [b"bc"]
    assert list(lines.feed(b"x" * int(LINE))) == []
    with pytest.raises(ServerFailed, match="more than 16777216 bytes"):
        list(lines.feed(b"x"))
    body = Body(events=True)
    body.take(b"x" * int(LINE))
    with pytest.raises(ServerFailed, match="more than 16777216 bytes"):
        body.take(b"x")


@pytest.mark.bound("clawmatrix_mcp.mounting.metering.VALUES")
def test_values_are_counted_before_they_are_decoded() -> None:
    many = b"[" * (int(VALUES) + 1)
    with pytest.raises(ServerFailed, match="values"):
        check_values(many)
    assert check_values(b'"' + many + b'"') > len(many)  # in a text they are no values
    for end in (b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"):
        body = Body(events=True)
        half = len(many) // 2
        assert body.take(b"data: a" + end + b"data: " + many[:half]) > 0
        body.take(many[half:])
        with pytest.raises(ServerFailed, match="values"):
            body.take(end)
    body = Body(events=False)
    body.take(many)
    with pytest.raises(ServerFailed, match="values"):
        body.end()


@pytest.mark.bound("clawmatrix_mcp.mounting.metering.BYTES")
@pytest.mark.bound("clawmatrix_mcp.mounting.metering.ERRORS")
@pytest.mark.bound("clawmatrix_mcp.mounting.metering.MESSAGES")
def test_what_comes_too_fast_is_waited_for() -> None:
    now = [0.0]
    meter = Meter(lambda: now[0])
    assert meter.message(int(BYTES)) == 0
    assert meter.message(int(BYTES)) == pytest.approx(1.0)
    now[0] = 10.0
    assert [meter.message(0) for _ in range(int(MESSAGES))][-1] == 0
    assert meter.message(0) > 0
    assert meter.bytes(int(BYTES)) == 0
    assert meter.bytes(int(BYTES)) == pytest.approx(1.0)
    assert meter.errors(int(ERRORS)) == 0
    assert meter.errors(int(ERRORS)) == pytest.approx(1.0)


@pytest.mark.bound("clawmatrix_mcp.mounting.metering.UNANSWERED")
def test_requests_whose_answers_are_not_read_are_counted() -> None:
    meter = Meter(lambda: 0.0)
    for _ in range(int(UNANSWERED)):
        meter.asks()
    meter.answered()
    meter.asks()
    with pytest.raises(ServerFailed, match="does not read the answers"):
        meter.asks()


@pytest.mark.bound("clawmatrix_mcp.mounting.definitions.DEFINITION")
def test_a_definition_that_is_too_large_is_left_out() -> None:
    taken = take_definitions("fs", [tool("large", icons=["x" * int(DEFINITION)]), tool("small")])
    assert [one.tool for one in taken.definitions] == ["small"]
    assert "bytes; 40960 are the most" in taken.left_out["large"]


@pytest.mark.bound("clawmatrix_mcp.mounting.definitions.ALL_BYTES")
def test_all_definitions_together_have_a_bound() -> None:
    many = [tool(f"tool{n}", x="y" * 30_000) for n in range(100)]
    taken = take_definitions("fs", many).definitions
    budget = Budget()
    fit = [one for one in taken if budget.take(one)]
    assert sum(one.size for one in fit) <= ALL_BYTES < sum(one.size for one in taken)


def test_a_list_may_have_anything_in_it() -> None:
    taken = take_definitions("fs", [7, {}, {"name": ""}, {"name": "a"}, tool("ok"), tool("a b")])
    assert [one.name for one in taken.definitions] == ["fs_ok", mounted_name("fs", "a b")]
    assert taken.left_out == {"?": "has no name", "a": "its inputSchema is not of an object"}


def test_a_name_is_cut_with_a_digest_of_the_whole() -> None:
    assert mounted_name("fs", "x" * 61) == "fs_" + "x" * 61
    one, other = (mounted_name("fs", "x" * 100 + end) for end in "ab")
    assert one != other
    assert len(one) == len(other) == 64


@pytest.mark.anyio
@pytest.mark.bound("clawmatrix_mcp.mounting.contents.LISTED")
async def test_a_list_is_cut_before_the_sdk_looks_at_it() -> None:
    streams = Streams(Meter(lambda: 0.0))
    result: dict[str, Any] = {"resources": [{}] * 5000, "tools": [{}] * 5000}
    message = JSONRPCResponse(jsonrpc="2.0", id=1, result=result)
    async with streams as (theirs, _), anyio.create_task_group() as group:
        group.start_soon(streams.came, SessionMessage(message), 0)
        came = await theirs.receive()
    assert isinstance(came, SessionMessage)
    assert isinstance(came.message, JSONRPCResponse)
    assert len(came.message.result["resources"]) == LISTED
    assert len(came.message.result["tools"]) == 1024


@pytest.mark.anyio
@pytest.mark.bound("clawmatrix_mcp.mounting.relayed_progress.KEPT")
async def test_a_slow_caller_holds_no_server_up() -> None:
    told: list[float | None] = []
    go_on = anyio.Event()

    async def slow(_: str, done: float | None, __: float | None) -> None:
        await go_on.wait()
        told.append(done)

    async def write(_: bytes) -> bool:
        return True

    call = ToolCall(id="1", tool="t", peer="p", key=None, write=write, progress=slow)
    async with relayed(call) as report:
        await anyio.wait_all_tasks_blocked()
        for done in (*range(100), 5):  # the last does not grow
            await report(done, None, None)
        go_on.set()
    assert told[-int(KEPT) :] == list(range(100 - KEPT, 100))
    assert len(told) <= KEPT + 1


@pytest.mark.anyio
async def test_what_a_call_raises_is_no_group() -> None:
    async def write(_: bytes) -> bool:
        return True

    async def progress(*_: object) -> None:
        """Take it."""

    call = ToolCall(id="1", tool="t", peer="p", key=None, write=write, progress=progress)
    with pytest.raises(ToolError, match="so it is"):
        async with relayed(call):
            raise ToolError("so it is")


def test_error_output_is_cut_and_draws_nothing() -> None:
    words = Words()
    assert list(words.feed(b"a\x1b[2J" + b"x" * 1000)) == []
    (line,) = words.feed(b"y" * 10 + b"\nrest")
    assert line.startswith("a\N{REPLACEMENT CHARACTER}[2Jxx")
    assert len(line) == Words.MOST
    assert list(words.rest()) == ["rest"]
