"""What ``config check`` says of ``[tool-proxy]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli.config import look_at
from clawmatrix_core.config.config import Config

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "a secret that is long enough for a mesh of tests"


def said(tmp_path: Path, table: str, *, plugins: str = '"tool-proxy", "grants"') -> list[str]:
    """Return the warnings of a configuration, which has no mistakes."""
    file = tmp_path / "node" / "clawmatrix.toml"
    file.parent.mkdir(exist_ok=True)
    top = f'node_id = "office"\nsecret = "{SECRET}"\nstate_dir = "state"\nplugins = [{plugins}]\n'
    file.write_text(f"{top}\n{table}")
    file.chmod(0o600)
    found = look_at(Config.load(file))
    assert found.problems == []
    return found.warnings


def test_names_that_no_tool_has_are_named(tmp_path: Path) -> None:
    table = '[tool-proxy]\nallow = ["exce", "read", "git_*", "cluster_peers"]\ndeny = ["nothing"]\n'
    assert said(tmp_path, table) == [
        'tool-proxy.allow: no plugin in use has a tool "exce" (did you mean "exec"?)',
        'tool-proxy.deny: no plugin in use has a tool "nothing"',
    ]


def test_beside_a_plugin_from_elsewhere_names_are_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_tool_proxy.shapes.BUILT_IN", frozenset({"tool-proxy"}))
    table = '[tool-proxy]\nallow = ["exce", "deploy", "d*"]\n[grants.home]\ntools = ["raed"]\n'
    doubt = "is no tool that is known before the node runs"
    told = [line for line in said(tmp_path, table) if doubt in line]
    assert told == [
        f'grants.home.tools: "raed" {doubt} (did you mean "read"?)',
        f'tool-proxy.allow: "exce" {doubt} (did you mean "exec"?)',
        f'tool-proxy.allow: "deploy" {doubt}',
    ]


def test_roots_that_no_command_may_use_are_named(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    table = f"""
[tool-proxy]
allow = ["exec"]
[tool-proxy.roots]
good = "{tmp_path}/good"
bad = "{tmp_path}/node/state/inner"
"""
    (tmp_path / "node" / "state" / "inner").mkdir(parents=True)
    [told] = said(tmp_path, table)
    assert told.startswith("tool-proxy.roots.bad: no command runs with it: ")
    assert "is in a folder of the node's own" in told
    assert said(tmp_path, table.replace('"exec"', '"read"')) == []  # none runs at all


@pytest.mark.anyio
async def test_in_a_loop_roots_are_left_to_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "node" / "state").mkdir(parents=True)
    roots = f'[tool-proxy.roots]\nbad = "{tmp_path}/node/state"\n'
    assert said(tmp_path, f'[tool-proxy]\nallow = ["exec"]\n{roots}') == []
