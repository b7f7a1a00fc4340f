"""What the grants learn of the tools of a node, running or not."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from clawmatrix_core import Config, ConfigSection, MemoryState, Node, hookimpl
from clawmatrix_core.hookspecs import register_config
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_grants.api import ToolShape
from clawmatrix_grants.hookspecs import register_tool_shapes
from clawmatrix_grants.plugin import GrantsPlugin
from clawmatrix_tool_proxy.api import Tool, tool
from clawmatrix_tool_proxy.config import ToolProxyConfig
from clawmatrix_tool_proxy.plugin import ToolProxyPlugin
from clawmatrix_tool_proxy.shapes import BUILT_IN, shapes_at_rest

pytestmark = pytest.mark.anyio

PYPROJECT: Final = Path(__file__).parents[3] / "pyproject.toml"


@tool
def roll(sides: int = 6) -> int:
    """Roll a die."""
    return sides


class DicePlugin:
    """A third party's tool."""

    plugin_name = "dice"
    extends = ("tool-proxy",)

    @hookimpl
    def register_tools(self, node: Node) -> list[Tool]:
        """Add ``roll``."""
        return [roll]


OWN: Final = {"edit", "exec", "list", "read", "search", "shell", "write"}


def configured(folder: Path, **core: Any) -> Config:
    (folder / "docs").mkdir()
    (folder / "code").mkdir()
    roots: dict[str, Any] = {
        "code": str(folder / "code"),
        "docs": {"path": str(folder / "docs"), "write": False},
    }
    told = {"node_id": "office", "secret": "s" * 40, "state_dir": str(folder / "state"), **core}
    return Config.from_mapping({**told, "tool-proxy": {"roots": roots}})


def at_rest(folder: Path, **core: Any) -> dict[str, ToolShape]:
    registry = PluginRegistry()
    registry.load(["grants", "tool-proxy"])
    config = configured(folder, **core)
    config.bind(section for _, section in registry.collect(register_config, ConfigSection))
    found = registry.collect(register_tool_shapes, ToolShape, Node(config))
    return {shape.name: shape for _, shape in found}


def test_a_node_that_does_not_run_tells_of_the_tools_for_files_and_commands(tmp_path: Path) -> None:
    found = at_rest(tmp_path)
    assert set(found) == {"cluster_peers", "edit", "list", "read", "search", "write"} | {
        "exec",
        "shell",
    }
    assert found["read"].arguments == frozenset({"path", "offset", "limit", "binary"})
    assert found["read"].writable == ()
    assert found["write"].writable == (str(tmp_path / "code"),)


def test_the_roots_of_files_and_commands_are_told(tmp_path: Path) -> None:
    found = at_rest(tmp_path)
    assert {name for name, one in found.items() if one.shows_below} == {"list", "search"}
    assert found["cluster_peers"].roots == ()
    files = ("edit", "exec", "list", "read", "search", "shell", "write")
    assert all(found[name].roots == ("code", "docs") for name in files)


def test_a_plan_to_hide_a_folder_is_looked_at_with_the_roots_of_the_node(tmp_path: Path) -> None:
    deny = {"deny": ["read", "list"], "when": {"path": "code/secret/**"}}
    away = {"deny": ["read"], "when": {"path": "secret/**"}}
    home = {"tools": ["read", "list"], "rules": [deny, away]}
    registry = PluginRegistry()
    registry.load(["grants", "tool-proxy"])
    config = configured(tmp_path, grants={"home": home})
    config.bind(section for _, section in registry.collect(register_config, ConfigSection))

    def registered(spec: Any, kind: Any) -> Any:
        return [one for _, one in registry.collect(spec, kind, Node(config))]

    list_leads, no_root = sorted(config.warnings_beside(registered))
    assert '"list" called with the folder "code" shows all below it' in list_leads
    assert 'rules[1].when.path: no root is named "secret"' in no_root


def without_roots(folder: Path) -> Config:
    told = {"node_id": "office", "secret": "s" * 40, "state_dir": str(folder / "state")}
    return Config.from_mapping({**told, "tool-proxy": {"allow": ["read"]}})


def test_a_node_without_roots_tells_of_them_too(tmp_path: Path) -> None:
    config = without_roots(tmp_path)
    config.bind([ConfigSection("tool-proxy", ToolProxyConfig)])
    found = {shape.name: shape for shape in shapes_at_rest(config)}
    assert set(found) == {"cluster_peers", *OWN}
    assert found["exec"].arguments is not None
    assert "argv" in found["exec"].arguments
    assert all(shape.canonical is None for shape in found.values())


@pytest.mark.parametrize("has_roots", [True, False])
async def test_a_node_that_runs_tells_of_tools_that_are_not_exposed(
    has_roots: bool, tmp_path: Path
) -> None:
    config = configured(tmp_path) if has_roots else without_roots(tmp_path)
    plugins = [GrantsPlugin(), ToolProxyPlugin()]
    async with Node(config, plugins=plugins, state=MemoryState()) as node:
        found = [one.name for one in node.hooks.registered(register_tool_shapes, ToolShape)]
    assert sorted(found) == sorted({"cluster_peers", *OWN})


def test_any_name_may_be_a_tool_of_a_plugin_from_elsewhere(tmp_path: Path) -> None:
    found = at_rest(tmp_path, plugins=["tool-proxy", "grants", "dice"])
    assert found["*"].has("roll")
    assert found["*"].arguments is None


def test_the_plugins_that_come_with_clawmatrix_are_known() -> None:
    told = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["clawmatrix.plugins"]
    assert set(told) == BUILT_IN


async def test_a_node_that_runs_tells_of_all_tools(tmp_path: Path) -> None:
    plugins = [GrantsPlugin(), ToolProxyPlugin(), DicePlugin()]
    async with Node(configured(tmp_path), plugins=plugins, state=MemoryState()) as node:
        found = {one.name: one for one in node.hooks.registered(register_tool_shapes, ToolShape)}
        assert "*" not in found
        assert found["roll"].arguments == frozenset({"sides"})


def test_arguments_become_those_that_the_policy_is_asked_with(tmp_path: Path) -> None:
    canonical = at_rest(tmp_path)["read"].canonical
    assert canonical is not None
    whole = {"path": "code/a/b.txt", "offset": None, "limit": None, "binary": False}
    assert canonical({"path": "code//a/./b.txt"}) == whole
    with pytest.raises(ValueError, match="path"):
        canonical({"path": 7})
