"""``clawmatrix sync add``: writes a workspace into the configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click

from clawmatrix_core import Config
from clawmatrix_core.cli import (
    CommandError,
    Settings,
    pass_settings,
    printable,
    problems_of,
    rewrite_config,
    toml_value,
)
from clawmatrix_knowledge.names import TABLE
from clawmatrix_knowledge.shares import is_workspace_name

__all__ = ["add"]


@click.command(epilog="Example: clawmatrix sync add notes notes")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@pass_settings
def add(settings: Settings, name: str, path: Path) -> None:
    """Make the folder PATH a workspace, with a NAME that all nodes that share it use."""
    if not is_workspace_name(name):
        told = "a name is made of small letters, digits, dots, dashes and underscores"
        raise CommandError(f"{name!r} is no name of a workspace: {told}")
    folder = path.expanduser().resolve()
    if not folder.is_dir():
        raise CommandError(printable(f"{folder} is not a folder: make it first"))
    file = settings.config_file()
    before = Config.load(file)
    if name in tomllib.loads(file.read_text()).get(TABLE, {}).get("workspaces", {}):
        raise CommandError(f"the workspace {name} is there already")
    known = problems_of(before)
    header = f'[{TABLE}.workspaces."{name}"]'
    rewrite_config(
        file,
        lambda text: f"{text.rstrip()}\n\n{header}\npath = {toml_value(str(folder))}\n",
        lambda changed: [one for one in problems_of(changed) if one not in known],
    )
    click.echo(printable(f"wrote {header} into {file}: it is in force when the node starts"))
