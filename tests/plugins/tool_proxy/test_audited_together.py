"""What both nodes write down of calls that are granted, denied and approved, and that it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core import StateFolder
from clawmatrix_core.testing.command_line import run_command
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_tool_proxy.api import Progress, ToolFailed, call_tool
from tests.plugins.tool_proxy.together import (
    HOME,
    TRUE,
    Office,
    accept,
    code_of,
    lines_in,
    office,
    reached,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clawmatrix_core import JSON

pytestmark = pytest.mark.anyio

RULES = [{"allow": ["echo"], "when": {"n": 1}}, {"ask": ["stream"]}, {"deny": ["wait"]}]
TABLE: dict[str, Any] = {"home": {"rules": RULES}}


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def told(line: Mapping[str, JSON]) -> tuple[JSON, ...]:
    return tuple(line.get(name) for name in ("event", "target", "rule", "approval", "outcome"))


async def approved(found: Office) -> str:
    """Allow the call that waits, and return the word of its approval."""
    [one] = await found.approvals()
    await call_control(found.node, "approvals.allow", {"id": one["id"]})
    return str(one["id"])


@pytest.mark.both_loops
async def test_each_line_has_the_rule_and_both_nodes_have_the_call(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "office") as state:
        async with (
            office(tmp_path, TABLE, state=state, built_in=("control",)) as found,
            found.caller(TRUE) as home,
        ):
            await reached(found, home)
            await accept(found.node, HOME, TRUE)
            assert await code_of(home, "echo", n=1) == "success"
            assert await code_of(home, "echo", n=2) == "not_allowed"
            assert await code_of(home, "wait") == "not_allowed"
            assert await code_of(home, "stream") == "approval_pending"
            word = await approved(found)
            assert await code_of(home, "stream") == "success"

            here = found.lines()
            allows, asks, denies = (f"grants.home.rules[{n}]" for n in range(3))
            no_rule = "grants: [grants] does not let home use the tool echo so"
            assert [told(line) for line in here] == [
                ("begin", "echo", allows, None, None),
                ("end", "echo", allows, None, "success"),
                ("denied", "echo", no_rule, None, "denied"),
                ("denied", "wait", f"{denies}: a rule denies it", None, "denied"),
                ("approval", "stream", f"grants: {asks}", word, "allowed"),
                ("begin", "stream", asks, word, None),
                ("end", "stream", asks, word, "success"),
            ]
            assert {line["peer"] for line in here} == {"home"}
            assert {line["key"] for line in here} == {TRUE.key_text}
            there = lines_in(home.config.state_dir)
            assert {line["key"] for line in there} == {found.node.identity.key_text}
            ended = [(line["id"], line["outcome"]) for line in there if line["event"] == "end"]
            calls = {line["id"]: line for line in here if line["event"] in ("end", "denied")}
            assert [calls.get(id_, {}).get("outcome") for id_, _ in ended] == [
                "success",
                "denied",
                "denied",
                None,  # it waited for a person, and nothing began
                "success",
            ]
            assert len(calls) == 4
            whole = await run_command(found.node, "audit", "verify", "--with", "home")
            assert (whole.exit_code, whole.err) == (0, "")
            assert f"home holds heads up to line {newest(found)} of this node" in whole.out
            alone = await run_command(found.node, "audit", "tail", "--peer", "home")
            assert word in alone.out


async def test_the_deadline_of_the_caller_bounds_the_wait_for_a_person(tmp_path: Path) -> None:
    async with office(tmp_path, TABLE, wait="5m") as found, found.caller(TRUE) as home:
        await reached(found, home)
        await accept(found.node, HOME, TRUE)
        with anyio.fail_after(30):
            async with call_tool(home, "office", "stream", timeout=0.2) as call:
                part = await anext(call)
                with pytest.raises(ToolFailed) as raised:
                    await call.result()
        assert (raised.value.code, raised.value.may_have_run) == ("approval_pending", False)
        assert isinstance(part, Progress)
        assert part.waits


def newest(found: Office) -> JSON:
    """Return the number of the last line about a call."""
    return found.lines("end")[-1]["n"]
