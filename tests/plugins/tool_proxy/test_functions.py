"""Tools made of typed functions: their schemas, what they take, and what cannot be one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
import attrs
import msgspec
import pytest

from clawmatrix_core import LOCAL
from clawmatrix_tool_proxy.api import Tool, ToolCall, ToolError, tool
from clawmatrix_tool_proxy.functions import THREADS

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.anyio]


@attrs.frozen
class Place:
    row: int
    seat: str = "a"


def book(
    places: list[Place],
    kind: Literal["cheap", "good"] = "cheap",
    note: str | None = None,
    *,
    extras: list[str] = ["tea"],  # noqa: B006 - what the test is about
) -> Sequence[str]:
    """Book seats.

    As many as there are.

    Args:
        places: the seats,
            in their order.
        kind: what they cost.
        note (str): whatever: it may have colons.

    Returns:
        words.
    """
    extras.append(kind)
    return [f"{place.row}{place.seat} {kind} {note}" for place in places] + extras


def call(written: list[bytes] | None = None) -> ToolCall:
    async def write(data: bytes) -> bool:
        if written is not None:
            written.append(data)
        return True

    async def progress(text: str, *_: float | None) -> None:
        await write(text.encode())

    return ToolCall(id="1", tool="book", peer=LOCAL, key=None, write=write, progress=progress)


def test_the_schema_has_an_object_at_its_root_and_the_words_of_the_docstring() -> None:
    made = tool(book)
    assert (made.name, made.description) == ("book", "Book seats.\n\nAs many as there are.")
    schema: Any = made.parameters
    assert (schema["type"], schema["required"]) == ("object", ["places"])
    assert schema["additionalProperties"] is False
    assert "$ref" not in schema
    properties = schema["properties"]
    assert list(properties) == ["places", "kind", "note", "extras"]
    assert properties["places"]["description"] == "the seats, in their order."
    assert properties["kind"] == {
        "enum": ["cheap", "good"],
        "default": "cheap",
        "description": "what they cost.",
    }
    assert properties["note"]["description"] == "whatever: it may have colons."
    assert schema["$defs"]["Place"]["required"] == ["row"]


async def test_arguments_are_filled_in_and_become_what_the_function_takes() -> None:
    made = tool(book)
    assert made.check is not None
    for _ in range(2):  # a default is nobody's to change
        filled = made.check({"places": [{"row": 1}]})
        assert filled == {
            "places": [{"row": 1, "seat": "a"}],
            "kind": "cheap",
            "note": None,
            "extras": ["tea"],
        }
        assert await made.run(call(), filled) == ["1a cheap None", "tea", "cheap"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"places": {}},
        {"places": [{"row": "1"}]},
        {"places": [], "kind": "dear"},
        {"places": [], "more": 1},
        {"places": [], "note": 1},
    ],
)
def test_arguments_are_taken_strictly(arguments: dict[str, Any]) -> None:
    made = tool(book)
    assert made.check is not None
    with pytest.raises(ToolError) as raised:
        made.check(arguments)
    assert raised.value.code == "bad_arguments"


def test_a_decorator_takes_what_the_tool_shall_say() -> None:
    @tool(
        name="cluster.hi", description="Says hi.", deadline=2, at_once=1, hints={"readOnly": True}
    )
    async def hi(call: ToolCall) -> str:
        return "hi"

    assert (hi.name, hi.description, hi.deadline, hi.at_once) == ("cluster.hi", "Says hi.", 2, 1)
    assert (hi.streams, hi.hints) == (True, {"readOnly": True})
    assert hi.parameters["properties"] == {}


def no_annotation(a, b: int) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001
def star(*a: int) -> None: ...
def stars(**a: int) -> None: ...
def position(a: int, /) -> None: ...
def pattern(a: Annotated[str, msgspec.Meta(pattern="^(a+)+$")]) -> None: ...
def deep_pattern(a: list[Annotated[str, msgspec.Meta(pattern="a")]]) -> None: ...
def hidden(a: Sequence[int]) -> None: ...
def strange(a: threading.Lock) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (no_annotation, "no_annotation: the parameter a has no annotation"),
        (star, "star: the parameter a has no name"),
        (stars, "stars: the parameter a has no name"),
        (position, "position: the parameter a has no name"),
        (pattern, "pattern: a pattern would be matched on the event loop"),
        (deep_pattern, "deep_pattern: a pattern would be"),
        (hidden, "hidden: the name Sequence of an annotation is not defined"),
        (strange, "strange: "),
    ],
)
def test_what_cannot_be_a_tool_is_a_type_error_that_names_it(function: Any, words: str) -> None:
    with pytest.raises(TypeError, match=f"^{words}"):
        tool(function)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "with space"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": ""}, "name"),
        ({"parameters": {}}, "type object"),
        ({"parameters": {"type": "array"}}, "type object"),
        ({"run": None}, "callable"),
        ({"deadline": 0}, "deadline"),
        ({"at_once": 0}, "at_once"),
        ({"description": "x" * 9000}, "description"),
    ],
)
def test_a_tool_says_what_is_wrong_with_it(fields: dict[str, Any], words: str) -> None:
    async def run(call: ToolCall, arguments: object) -> None: ...

    right: dict[str, Any] = {
        "name": "a",
        "description": "",
        "parameters": {"type": "object"},
        "run": run,
    }
    Tool(**right)
    with pytest.raises((ValueError, TypeError), match=words):
        Tool(**(right | fields))


@pytest.mark.both_loops
async def test_a_plain_function_that_nobody_waits_for_sees_it_and_keeps_its_thread() -> None:
    seen, go = threading.Event(), threading.Event()

    def wait(call: ToolCall) -> None:
        while not call.ended:
            go.wait(0.01)
        seen.set()

    made = tool(wait)
    with anyio.move_on_after(0.05):
        await made.run(call(), {})
    assert await anyio.to_thread.run_sync(seen.wait, 5)


@pytest.mark.both_loops
async def test_threads_of_callers_that_left_count_until_they_end() -> None:
    go = threading.Event()

    def wait() -> None:
        go.wait(10)

    made = tool(wait)

    async def run() -> None:
        await made.run(call(), {})

    with anyio.move_on_after(0.1):
        async with anyio.create_task_group() as tasks:
            for _ in range(THREADS):
                tasks.start_soon(run)
    try:
        with pytest.raises(ToolError) as raised:
            await run()
        assert raised.value.code == "busy"
    finally:
        go.set()


@pytest.mark.both_loops
async def test_a_call_writes_text_and_bytes_from_a_thread_too() -> None:
    written: list[bytes] = []

    def write(call: ToolCall) -> None:
        call.write_from_thread("a")
        call.progress_from_thread("b")

    await tool(write).run(call(written), {})
    await call(written).write(b"c")
    assert written == [b"a", b"b", b"c"]
