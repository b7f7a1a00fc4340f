"""The demonstration's shared note: home and office write it apart, and both have all lines."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING

import attrs
import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clawmatrix_model_proxy.demo.node import DemoNode

__all__ = ["SharedNote", "can_share"]

_BEGIN = "# Monday\n"
_LINES = {"home": "- home: buy milk\n", "office": "- office: call Ada\n"}


def can_share() -> bool:
    """Say whether the nodes can share folders: the index has no wheel for each Python."""
    found = entry_points(group="clawmatrix.plugins", name="knowledge")
    return bool(found) and find_spec("automerge") is not None


@attrs.frozen
class SharedNote:
    """A note in a folder that home and office share.

    Args:
        folder: the folder of the demonstration.
        wait: waits until a function returns True, and says for what.
    """

    folder: Path
    wait: Callable[[str, Callable[[], bool]], None]

    def table(self, name: str, peer: str) -> str:
        """Make the folder of a node, and return the table of its configuration."""
        self._note(name).parent.mkdir(parents=True)
        root = json.dumps(str(self._root(name)))
        return f'[knowledge.workspaces.agents]\npath = {root}\npeers = ["{peer}"]\n'

    def begin(self) -> None:
        """Write the note at home, and wait until office has it."""
        click.secho("A folder that home and office share: home begins a note.", bold=True)
        self._note("home").write_text(_BEGIN)
        self.wait("office has the note", lambda: self._text("office") == _BEGIN)
        click.echo()

    def write_apart(self) -> None:
        """Write a line at each node, while they do not reach each other."""
        click.secho("Meanwhile each agent adds a line to the note:", bold=True)
        for name, line in _LINES.items():
            with self._note(name).open("a") as note:
                note.write(line)
            click.echo(f"  {line.rstrip()}")
        click.echo()

    def show_both(self, home: DemoNode) -> None:
        """Wait until both nodes have both lines, and show the note and its versions."""
        self.wait("both nodes have both lines", self._is_whole)
        click.echo("memory/today.md, the same at home and at office:")
        for line in self._text("home").splitlines():
            click.secho(f"  {line}", fg="cyan")
        click.echo()
        home.show("sync", "log", "memory/today.md")

    def _is_whole(self) -> bool:
        lines = self._text("home").splitlines(keepends=True)
        wanted = sorted([_BEGIN, *_LINES.values()])
        return sorted(lines) == wanted and self._text("office") == self._text("home")

    def _text(self, name: str) -> str:
        note = self._note(name)
        return note.read_text() if note.is_file() else ""

    def _root(self, name: str) -> Path:
        return self.folder / f"{name}-shared"

    def _note(self, name: str) -> Path:
        return self._root(name) / "memory" / "today.md"
