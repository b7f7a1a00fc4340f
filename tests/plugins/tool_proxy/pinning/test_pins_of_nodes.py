"""Pins in a running node: commands, status, doctor, and nodes that are forgotten or rotated."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core import MemoryState, NodeId, StateFolder, key_text
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.testing.command_line import run_command
from clawmatrix_core.testing.reaching import call_control
from clawmatrix_tool_proxy.api import ToolFailed, pins_of
from clawmatrix_tool_proxy.pinning.checks import pins_check
from clawmatrix_tool_proxy.pinning.pins import STATE
from clawmatrix_tool_proxy.pinning.table import Pin, PinTable
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

NOTES = "server notes run --token=hidden-word"
READ: dict[str, Any] = {"description": "Read a note."}
OFFICE = NodeId("office")


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@asynccontextmanager
async def one_node(factory: NodeFactory, **more: Any) -> AsyncIterator[Node]:
    node = factory("home", built_in=("control",), plugins=[ToolProxyPlugin()], **more)
    async with node:
        yield node


async def test_a_person_sees_the_change_and_accepts_it(node_factory: NodeFactory) -> None:
    async with one_node(node_factory) as node:
        pins = pins_of(node)
        pins.judge(NOTES, {"read": READ, "list": {}})
        pins.judge(NOTES, {"read": {"description": "Send\u200b it.\ufe01"}, "list": {}, "x": {}})
        shown = await run_command(node, "tools", "accept", "notes")
        assert shown.exit_code == 1
        assert "nothing was accepted" in shown.err
        lines = shown.out.splitlines()
        assert lines[0] == "server notes: read has changed"
        assert r'  +  "description": "Send\u200b it.\ufe01"' in lines
        assert '  -  "description": "Read a note."' in lines
        assert "server notes: x is new" in lines
        assert set(pins.waiting()[NOTES]) == {"read", "x"}
        done = await run_command(node, "tools", "accept", "notes", "x")
        assert (done.exit_code, done.out.splitlines()[-1]) == (0, "server/notes: accepted x")
        missing = await run_command(node, "tools", "accept", "notes", "y")
        assert (missing.exit_code, "no y" in missing.err) == (1, True)
        done = await run_command(node, "tools", "accept", "server/notes", "--all")
        assert done.exit_code == 0
        assert pins.waiting() == {}
        empty = await run_command(node, "tools", "accept", "notes")
        assert (empty.exit_code, empty.out) == (0, "nothing of notes waits\n")


async def test_what_changed_again_since_it_was_shown_is_not_accepted(
    node_factory: NodeFactory,
) -> None:
    async with one_node(node_factory) as node:
        pins = pins_of(node)
        pins.judge(NOTES, {"read": READ})
        pins.judge(NOTES, {"read": {}})
        [waiting] = pins.waiting()[NOTES].values()
        assert waiting.definition is not None
        pins.judge(NOTES, {"read": {"description": "worse"}})
        tools = {"read": waiting.definition.digest}
        with pytest.raises(Exception, match="read has changed again") as caught:
            await call_control(node, "tools.accept", {"name": "notes", "tools": tools})
        assert getattr(caught.value, "code", "") == "not_waiting"


async def test_a_server_and_a_node_of_one_name_are_told_apart(node_factory: NodeFactory) -> None:
    async with one_node(node_factory) as node:
        pins = pins_of(node)
        for owner in ("server office x", "node office key"):
            pins.judge(owner, {"read": READ})
            pins.judge(owner, {"read": {}})
        refused = await run_command(node, "tools", "accept", "office", "--all")
        assert refused.exit_code == 0  # both were shown, and each by its whole name
        assert pins.waiting() == {}
        pins.judge("server office x", {"read": READ})
        pins.judge("node office key", {"read": READ})
        assert (await run_command(node, "tools", "accept", "node/office", "--all")).exit_code == 0
        assert set(pins.waiting()) == {"server office x"}


async def test_pins_are_listed_without_commands_and_keys(node_factory: NodeFactory) -> None:
    async with one_node(node_factory) as node:
        assert "no tool of a server" in (await run_command(node, "tools", "pins")).err
        pins_of(node).judge(NOTES, {"read": READ})
        pins_of(node).judge(NOTES, {"read": {}, "send": {}})
        shown = await run_command(node, "tools", "pins")
        assert shown.out.splitlines()[1:] == [
            "    read  waits: it has changed",
            "    send  waits: it is new",
        ]
        told = await run_command(node, "tools", "pins", "--json")
        [owner] = json.loads(told.out)["owners"]
        assert owner["waiting"] == {"read": "changed", "send": "added"}
        assert "hidden-word" not in shown.out + told.out + json.dumps(await status_of(node))
        gone = await run_command(node, "tools", "unpin", "notes")
        assert gone.out == "the tools of notes are no longer pinned\n"
        assert pins_of(node).judge(NOTES, {"read": {}}).accepted == {"read"}
        assert (await run_command(node, "tools", "unpin", "none")).exit_code != 0


async def status_of(node: Node) -> Any:
    return (await call_control(node, "status"))["pins"]


async def test_status_and_doctor_name_what_waits(node_factory: NodeFactory) -> None:
    async with one_node(node_factory) as node:
        pins_of(node).judge(NOTES, {"read": READ})
        assert await status_of(node) == {"waiting": [], "lost": False}
        pins_of(node).judge(NOTES, {"read": {}})
        waiting = [{"kind": "server", "name": "notes", "tools": ["read"]}]
        assert await status_of(node) == {"waiting": waiting, "lost": False}
        shown = await run_command(node, "status")
        assert "1 tool waits of server notes: clawmatrix tools accept notes" in shown.out
        fine, waits = await pins_check(node.config, lambda: pins_of(node)).run()
        assert (fine.status, fine.detail) == ("ok", "1 tools of 1 servers and nodes are pinned")
        assert (waits.status, waits.detail) == (
            "warning",
            "new or changed tools of server notes wait: read",
        )


async def test_lost_pins_are_told_until_a_person_accepts_all(node_factory: NodeFactory) -> None:
    state = MemoryState()
    state.write(STATE, "what is this")
    async with one_node(node_factory, state=state) as node:
        assert pins_of(node).judge(NOTES, {"read": READ}).waiting == {"read": "added"}
        assert (await status_of(node))["lost"] is True
        shown = await run_command(node, "status")
        assert "the pins of tools are lost: clawmatrix tools accept --all" in shown.out
        [found, _] = await pins_check(node.config, lambda: pins_of(node)).run()
        assert (found.status, "lost" in found.detail) == ("problem", True)
        assert (await run_command(node, "tools", "accept", "notes", "--all")).exit_code == 0
        assert (await status_of(node))["lost"] is True
        assert (await run_command(node, "tools", "accept", "--all")).exit_code == 0
        assert (await status_of(node))["lost"] is False


async def test_the_doctor_reads_pins_of_a_node_at_rest(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    config = {"state_dir": str(tmp_path / "s")}
    node = node_factory("home", plugins=[ToolProxyPlugin()], config=config)
    assert list(await pins_check(node.config, None).run()) == []
    with StateFolder(tmp_path / "s") as state:
        state.write(STATE, PinTable({NOTES: {"read": Pin("0" * 64)}}))
    [found] = await pins_check(node.config, None).run()
    assert found.status == "ok"
    (tmp_path / "s" / f"{STATE}.json").write_text("{")
    [found] = await pins_check(node.config, None).run()
    assert (found.status, found.name) == ("problem", "tool-proxy.pins")


async def test_the_pins_of_a_rotated_key_go_with_it_and_those_of_a_forgotten_node_go(
    node_factory: NodeFactory,
) -> None:
    old, new = (Identity.generate().sign_public for _ in range(2))
    async with one_node(node_factory) as node:
        node.trust.check(OFFICE, old, proven=True, now=1.0)
        pins_of(node).judge(f"node office {key_text(old)}", {"read": READ})
        node.trust.succeed(OFFICE, new, now=2.0)
        rotated = f"node office {key_text(new)}"
        assert pins_of(node).judge(rotated, {"read": {}}).waiting == {"read": "changed"}
        assert pins_of(node).judge(rotated, {"read": READ}).accepted == {"read"}
        pins_of(node).judge(NOTES, {"read": READ})
        node.trust.forget(OFFICE)
        assert set(pins_of(node).table.owners) == {NOTES}


async def test_pins_of_nodes_that_were_forgotten_meanwhile_go_at_the_start(
    node_factory: NodeFactory,
) -> None:
    state = MemoryState()
    async with one_node(node_factory, state=state) as node:
        node.trust.check(OFFICE, Identity.generate().sign_public, proven=True, now=1.0)
        pins_of(node).judge("node office key", {"read": READ})
        kept = state.read(STATE)
        node.trust.forget(OFFICE)
        state.write(STATE, kept)
    async with one_node(node_factory, state=state) as node:
        assert pins_of(node).table.owners == {}


async def test_a_node_without_the_plugin_has_no_pins(node_factory: NodeFactory) -> None:
    async with node_factory("home") as node:
        with pytest.raises(ToolFailed) as caught:
            pins_of(node)
        assert caught.value.code == "no_tools"
