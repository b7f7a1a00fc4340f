"""The tools as a caller sees them: arguments, output, cancelling, turns."""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_tool_proxy.api import Tool, ToolError
from clawmatrix_tool_proxy.files.listing import LISTED
from clawmatrix_tool_proxy.files.threads import FILES, SEARCHES, Threads
from clawmatrix_tool_proxy.files.tools import SECONDS
from tests.plugins.tool_proxy.files.helpers import Heard, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


class Caller:
    """Calls tools as a node does."""

    def __init__(self, place: Place, max_output: int = 1024**2) -> None:
        self.tools = {tool.name: tool for tool in place.tools(max_output).tools()}

    def prepared(self, name: str, **arguments: Any) -> tuple[Tool, Any]:
        tool = self.tools[name]
        assert tool.check is not None
        assert tool.canonical is not None
        return tool, tool.canonical(tool.check(arguments))

    async def __call__(self, name: str, heard: Heard | None = None, **arguments: Any) -> Any:
        tool, prepared = self.prepared(name, **arguments)
        return await tool.run((heard or Heard()).call(name), prepared)


async def test_each_tool_does_its_work(place: Place) -> None:
    call = Caller(place)
    assert list(call.tools) == ["read", "write", "edit", "list", "search"]
    await call("write", path="code/a.txt", content="one\ntwo\n")
    await call("edit", path="code/./a.txt", old="two", new="zwei")
    heard = Heard()
    facts = await call("read", heard, path="code//a.txt")
    assert (bytes(heard.data), facts["lines"]) == (b"one\nzwei\n", 2)
    heard = Heard()
    await call("read", heard, path="code/a.txt", offset=2, limit=1)
    assert bytes(heard.data) == b"zwei\n"
    listed = await call("list", path="code")
    assert [entry["path"] for entry in listed["entries"]] == ["code/a.txt"]
    assert [entry["path"] for entry in (await call("list"))["entries"]] == ["code", "notes"]
    for more in (
        {"pattern": "wei"},
        {"pattern": "W.I", "regex": True, "ignore_case": True},
        {"pattern": "WEI", "ignore_case": True},
    ):
        heard = Heard()
        assert (await call("search", heard, path="code", **more))["matches"] == 1
        assert bytes(heard.data) == b"code/a.txt:2: zwei\n"


async def test_bytes_go_both_ways(place: Place) -> None:
    call, data = Caller(place), bytes(range(256))
    await call("write", path="code/a", content=base64.b64encode(data).decode(), base64=True)
    heard = Heard()
    facts = await call("read", heard, path="code/a", binary=True, offset=3, limit=100)
    assert (bytes(heard.data), facts["next"]) == (data[3:103], 103)
    with pytest.raises(ToolError, match="content is not base64"):
        await call("write", path="code/a", content="%", base64=True)


@pytest.mark.parametrize("name", ["read", "write", "edit", "list", "search"])
async def test_conditions_see_the_path_that_runs(place: Place, name: str) -> None:
    more: dict[str, dict[str, Any]] = {
        "write": {"content": ""},
        "edit": {"old": "a", "new": "b"},
        "search": {"pattern": "a"},
    }
    _, prepared = Caller(place).prepared(name, path="./code//sub/./a/", **more.get(name, {}))
    assert prepared["path"] == "code/sub/a"
    with pytest.raises(ToolError) as caught:
        Caller(place).prepared(name, path="code/../a", **more.get(name, {}))
    assert caught.value.code == "bad_path"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("read", {"path": 5}),
        ("read", {"path": "code/a", "limit": 0}),
        ("read", {"path": "code/a", "offset": -1}),
        ("read", {"path": "code/a", "more": 1}),
        ("list", {"path": "code", "depth": 0}),
        ("list", {"path": "code", "limit": 2**53 + 1}),
        *[("read", {"path": "code/a", name: 10**30}) for name in ("offset", "limit")],
        ("read", {"path": "code/a", "offset": 2**63, "binary": True}),
        ("search", {"path": "code"}),
    ],
)
async def test_wrong_arguments_are_named(place: Place, name: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ToolError) as caught:
        Caller(place).prepared(name, **wrong)
    assert caught.value.code == "bad_arguments"


@pytest.mark.parametrize("binary", [False, True])
async def test_the_largest_numbers_are_behind_the_end_of_each_file(
    place: Place, binary: bool
) -> None:
    (place.code / "a").write_text("one")
    call, heard = Caller(place), Heard()
    await call("read", heard, path="code/a", offset=2**53, limit=2**53, binary=binary)
    assert bytes(heard.data) == b""
    await call("read", heard, path="code/a", limit=2**53, binary=binary)
    assert bytes(heard.data) == b"one"


async def test_output_ends_with_a_line_where_no_more_is_taken(place: Place) -> None:
    (place.code / "a").write_text("0123456\n" * 1000)
    heard = Heard()
    facts = await Caller(place, 100)("read", heard, path="code/a")
    assert bytes(heard.data) == b"0123456\n" * 12
    assert facts["next"] == 13


async def test_a_reader_that_wants_no_more_ends_the_work(place: Place) -> None:
    with (place.code / "a").open("wb") as file:
        file.truncate(100 * 1024**2)
    heard = Heard(10**6)
    await Caller(place, 2**40)("read", heard, path="code/a", binary=True)
    assert len(heard.data) < 3 * 10**6


@pytest.mark.both_loops
@pytest.mark.parametrize("pattern", ["(a+)+$", "a"])
async def test_a_caller_that_leaves_stops_the_search(place: Place, pattern: str) -> None:
    (place.code / "a").write_text("a" * 60 + "!\n")
    for n in range(300):
        (place.code / f"{n}").write_text("b")
    call = Caller(place)
    before = threading.active_count()
    with anyio.move_on_after(0.5) as scope:
        while True:
            await call("search", path="code", pattern=pattern, regex=True)
    assert scope.cancelled_caught
    assert scope.deadline + 0.5 > anyio.current_time(), "and soon"
    assert threading.active_count() <= before + SEARCHES


@pytest.mark.both_loops
async def test_the_loop_goes_on_meanwhile(place: Place) -> None:
    (place.code / "a").write_text("a" * 40 + "!\n")
    turns = 0
    with anyio.move_on_after(0.5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: Caller(place)("search", path="code", pattern="(a+)+$", regex=True)
            )
            while True:
                await anyio.sleep(0.001)
                turns += 1
    assert turns > 50


@pytest.mark.both_loops
@pytest.mark.bound(
    "clawmatrix_tool_proxy.files.threads.FILES", "clawmatrix_tool_proxy.files.threads.SEARCHES"
)
@pytest.mark.parametrize("most", [FILES, SEARCHES])
async def test_calls_wait_for_their_turn(most: int) -> None:
    threads, running, peak = Threads(most), 0, 0
    lock, gate = threading.Lock(), threading.Event()

    def work() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
            if running == most:
                gate.set()
        gate.wait(5)
        with lock:
            running -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(most * 3):
            tasks.start_soon(threads.run, work)
    assert peak == most


@pytest.mark.bound("clawmatrix_tool_proxy.files.listing.LISTED")
async def test_no_caller_gets_a_longer_list(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < LISTED < 10_000
    monkeypatch.setattr("clawmatrix_tool_proxy.files.tools.LISTED", 3)
    for n in range(5):
        (place.code / f"{n}").touch()
    facts = await Caller(place)("list", path="code", limit=100_000)
    assert (len(facts["entries"]), facts["cut"]) == (3, "entries")


async def test_no_thread_is_held_while_the_reader_is_behind(place: Place) -> None:
    (place.code / "a").write_text("a\n")
    call, slow = Caller(place), anyio.Event()

    class Behind(Heard):
        async def write(self, data: bytes) -> bool:
            await slow.wait()
            return True

    async with anyio.create_task_group() as tasks:
        for _ in range(FILES * 2):
            tasks.start_soon(lambda: call("read", Behind(), path="code/a"))
        with anyio.fail_after(5):
            assert (await call("read", path="code/a"))["lines"] == 1
        slow.set()


async def test_work_is_closed_where_the_caller_fails() -> None:
    closed = threading.Event()

    def work() -> Iterator[bytes]:
        try:
            while True:
                yield b"a" * 300_000
        finally:
            closed.set()

    async def write(data: bytes) -> bool:
        raise ToolError("gone")

    with pytest.raises(ToolError, match="gone"):
        await Threads(1).pump(work(), write)
    assert closed.is_set()


@pytest.mark.bound("clawmatrix_tool_proxy.files.tools.SECONDS")
async def test_a_search_of_a_caller_ends_in_time(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_tool_proxy.files.tools.SECONDS", -SECONDS)
    (place.code / "a").write_text("a")
    facts = await Caller(place)("search", path="code", pattern="a")
    assert (facts["matches"], facts["cut"]) == (0, "time")
    assert (await Caller(place)("list", path="code"))["cut"] == "time"
