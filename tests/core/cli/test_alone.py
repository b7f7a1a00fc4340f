"""A command of a built-in plugin is found without the other plugins, and is the same one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from clawmatrix_core.cli import Settings, cli
from clawmatrix_core.cli.alone import command_alone
from clawmatrix_core.cli.shell import Shell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "clawmatrix.toml"
    file.write_text('node_id = "home"\n')
    return file


def test_commands_with_the_name_of_their_plugin_are_found(config: Path) -> None:
    assert isinstance(cli, Shell)
    context = click.Context(cli, obj=Settings(config))
    known = cli.list_commands(context)
    found = {name for name in known if command_alone(name, Settings(config)) is not None}
    assert found == {"audit", "grants", "mcp"}
    for name in found:
        alone, full = command_alone(name, Settings(config)), cli.get_command(context, name)
        assert alone is not None
        assert full is not None
        assert (alone.name, alone.help) == (full.name, full.help)


@pytest.mark.parametrize(
    "line", ['disable = ["mcp"]', 'plugins = ["mesh", "control"]', "plugins = 7"]
)
def test_a_plugin_that_is_left_out_has_no_command(config: Path, line: str) -> None:
    config.write_text(f'node_id = "home"\n{line}\n')
    assert command_alone("mcp", Settings(config)) is None


def test_no_other_plugin_is_imported_for_it(config: Path) -> None:
    program = (
        "import sys; from clawmatrix_core.cli import execute; execute(sys.argv[1:]);"
        " print(*(name for name in sys.modules if name.endswith('.plugin')))"
    )
    command = [sys.executable, "-c", program, "mcp", "config", "codex", "--stdio", "-c", config]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert "[mcp_servers.clawmatrix]" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["clawmatrix_mcp.plugin"]
