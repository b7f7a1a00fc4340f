"""Plugins tell which tools there are, and how arguments of a call become those that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from clawmatrix_core import JSON, Node, hookimpl
from clawmatrix_core.cli import execute
from clawmatrix_core.cli.context import hosted_plugins
from clawmatrix_core.testing.command_line import run_command
from clawmatrix_grants.api import ToolShape
from clawmatrix_grants.plugin import GrantsPlugin
from clawmatrix_grants.tool_shapes import canonical_arguments, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio


class ShopPlugin:
    """Has a tool that sells."""

    plugin_name = "shop"
    extends = ("grants",)

    @hookimpl
    def register_tool_shapes(self, node: Node) -> list[ToolShape]:
        return [ToolShape("sell", frozenset({"what", "count"}), self.whole)]

    def whole(self, arguments: Mapping[str, JSON]) -> Mapping[str, JSON]:
        if arguments.get("count") == 0:
            raise ValueError("count: must be at least 1")
        return {"count": 1, **arguments}


async def test_hook_register_tool_shapes(
    node_factory: NodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    plugins = [GrantsPlugin(), ShopPlugin()]
    rules = [{"allow": ["sell"], "when": {"count": 1, "what": "*"}}]
    config = {"grants": {"@local": {"rules": rules}}}
    async with node_factory("a", built_in=["control"], plugins=plugins, config=config) as node:
        for argument, code, words in (
            ("what=tea", 0, 'allow by grants."@local".rules[0]'),
            ("count=2", 13, "its condition on count is not met"),
            ("count=0", 2, "sell refuses these: count: must be at least 1"),
        ):
            told = await run_command(node, "grants", "check", "@local", "sell", "--arg", argument)
            assert (told.exit_code, words in told.out + told.err) == (code, True), told


async def test_what_no_tool_has_is_a_warning_of_config_check_and_doctor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        f'node_id = "a"\nsecret = "{"s" * 40}"\nplugins = ["grants"]\nstate_dir = "s"\n'
        '[[grants.home.rules]]\nallow = ["sell"]\nwhen = { colour = "red" }\n'
    )
    path.chmod(0o600)
    words = "grants.home.rules[0].when.colour: no such argument"
    with hosted_plugins({"shop": ShopPlugin()}):
        for command in (("config", "check"), ("doctor",)):
            assert await anyio.to_thread.run_sync(execute, [*command, "-c", str(path)]) == 0
            assert words in capsys.readouterr().out


def test_several_tools_that_come_and_go_have_one_shape() -> None:
    shapes = [ToolShape("git"), ToolShape("git*", canonical=lambda _: {"seen": True})]
    assert [shape_of(shapes, name) for name in ("git", "git_x", "gi")] == [*shapes, None]
    assert canonical_arguments(shapes, "git_x", {}) == {"seen": True}
    assert canonical_arguments(shapes, "git", {"a": 1}) == {"a": 1}
