"""``clawmatrix sync add``, which writes into the configuration."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from click.testing import CliRunner

from clawmatrix_core.cli import Settings
from clawmatrix_core.cli.context import hosted_plugins
from clawmatrix_knowledge.commands.making import add
from clawmatrix_knowledge.plugin import KnowledgePlugin

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = '# mine\nnode_id = "home"\nsecret = "long enough to be a secret of a mesh"\n'


def test_a_workspace_is_written_and_mistakes_are_not(tmp_path: Path) -> None:
    file, root = tmp_path / "home.toml", tmp_path / 'my "notes"'
    file.write_text(BEFORE)
    file.chmod(0o600)
    (root / "inner").mkdir(parents=True)

    def typed(name: str, path: Path) -> str:
        with hosted_plugins({"knowledge": KnowledgePlugin()}):
            done = CliRunner().invoke(add, [name, str(path)], obj=Settings(file))
        return done.output if done.exit_code == 0 else str(done.exception)

    assert "wrote [knowledge.workspaces" in typed("notes", root)
    written = file.read_text()
    assert written.startswith(BEFORE)
    assert tomllib.loads(written)["knowledge"] == {"workspaces": {"notes": {"path": str(root)}}}
    assert "is there already" in typed("notes", root)
    assert "is in the folder of the workspace notes" in typed("inner", root / "inner")
    assert "is no name of a workspace" in typed("Bad", root)
    assert "is not a folder" in typed("other", root / "missing")
    assert file.read_text() == written
