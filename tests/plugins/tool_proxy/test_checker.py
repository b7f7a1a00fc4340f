"""Schemas of others: what fits, what does not, and patterns that would take minutes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_tool_proxy.api import Arguments, Tool, ToolCall, ToolError
from clawmatrix_tool_proxy.checking.checker import CHECK, Checker
from tests.plugins.tool_proxy.nodes import called, code_of, relayed

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_core.testing.fixtures import NodeFactory

pytest.importorskip("jsonschema")
pytestmark = [pytest.mark.anyio]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "maxLength": 5},
        "kind": {"enum": ["a", "b"], "default": "a"},
        "inner": {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}},
    },
    "required": ["text"],
    "additionalProperties": False,
}
EVIL: dict[str, Any] = {
    "type": "object",
    "properties": {"text": {"type": "string", "pattern": "^(a+)+$"}},
}
SLOW = {"text": "a" * 40 + "!"}


@pytest.mark.both_loops
async def test_arguments_that_fit_get_the_defaults() -> None:
    async with Checker(20) as checker:
        found = await checker.check(SCHEMA, {"text": "hey", "inner": {}})
        assert found == {"text": "hey", "kind": "a", "inner": {"n": 3}}


@pytest.mark.parametrize(
    ("schema", "arguments", "code"),
    [
        (SCHEMA, {}, "bad_arguments"),
        (SCHEMA, {"text": "too long"}, "bad_arguments"),
        (SCHEMA, {"text": "a", "more": 1}, "bad_arguments"),
        (SCHEMA, {"text": "a", "kind": "c"}, "bad_arguments"),
        ({"type": "object", "properties": {"a": {"type": 7}}}, {"a": 1}, "bad_schema"),
        ({"type": "object", "$ref": "http://127.0.0.1:9/x"}, {}, "bad_schema"),
        ({"type": "object", "$ref": "file:///etc/passwd"}, {}, "bad_schema"),
        ({"type": "object", "pattern": "("}, {}, "bad_schema"),
    ],
)
async def test_what_does_not_fit_is_an_error(
    schema: dict[str, Any], arguments: dict[str, Any], code: str
) -> None:
    async with Checker(20) as checker:
        with pytest.raises(ToolError) as raised:
            await checker.check(schema, arguments)
        assert raised.value.code == code
        assert await checker.check(SCHEMA, {"text": "a"})  # the next one is looked at as ever


@pytest.mark.both_loops
@pytest.mark.bound("clawmatrix_tool_proxy.checking.checker.CHECK")
async def test_a_pattern_that_takes_minutes_is_killed_and_the_loop_goes_on() -> None:
    lags: list[float] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await anyio.sleep(0.01)
            lags.append(time.monotonic() - before)

    async with Checker() as checker, anyio.create_task_group() as tasks:
        await checker.check(EVIL, {"text": "aaa"})
        tasks.start_soon(tick)
        before = time.monotonic()
        with pytest.raises(ToolError, match="in time") as raised:
            await checker.check(EVIL, SLOW)
        took = time.monotonic() - before
        tasks.cancel_scope.cancel()
    assert raised.value.code == "bad_arguments"
    assert CHECK / 1000 <= took < CHECK / 1000 + 5
    assert max(lags) < 0.5


async def test_processes_end_with_the_checker_and_one_that_went_is_replaced() -> None:
    async with Checker(20) as checker:
        await checker.check(SCHEMA, {"text": "a"})
        [process] = checker._spare
        process._process.kill()
        process._process.wait()
        assert await checker.check(SCHEMA, {"text": "b"})
        [process] = checker._spare
        assert process._process.poll() is None
    assert process._process.poll() is not None


def of_others(schema: dict[str, Any]) -> Tool:
    async def run(call: ToolCall, arguments: Arguments) -> JSON:
        return dict(arguments)

    return Tool("theirs", "", schema, run)


async def test_a_tool_with_a_schema_of_others_over_the_mesh(node_factory: NodeFactory) -> None:
    async with relayed(node_factory, of_others(SCHEMA)) as mesh:
        assert (await called(mesh, "theirs", text="hey")).value == {"text": "hey", "kind": "a"}
        assert mesh.engine.asked[-1][3] == {"text": "hey", "kind": "a"}
        assert await code_of(mesh, "theirs", text=1) == "bad_arguments"


async def test_a_catastrophic_pattern_over_the_mesh_is_contained_and_told(
    node_factory: NodeFactory,
) -> None:
    async with relayed(node_factory, of_others(EVIL)) as mesh, anyio.create_task_group() as tasks:
        codes: list[str] = []

        async def call() -> None:
            codes.append(await code_of(mesh, "theirs", **SLOW))

        tasks.start_soon(call)
        for n in range(5):  # others are served meanwhile
            assert (await called(mesh, "echo", value=n)).value == n
        await wait_until(lambda: codes == ["bad_arguments"])
        assert ("begin", "theirs", None) not in mesh.served.told()
