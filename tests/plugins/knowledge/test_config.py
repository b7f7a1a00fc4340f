"""Mistakes in the table, and folders that belong to somebody already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import TableMistakes
from clawmatrix_knowledge.config import KnowledgeConfig, WorkspaceConfig
from clawmatrix_knowledge.syncing.owning import Taken, owned

if TYPE_CHECKING:
    from pathlib import Path


def test_a_workspace_in_another_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for inner in ("a/b", "a", "link"):
        workspaces = {
            "x": WorkspaceConfig(path=tmp_path / "a"),
            "y": WorkspaceConfig(path=tmp_path / inner),
        }
        with pytest.raises(TableMistakes, match="is in the folder of the workspace x"):
            KnowledgeConfig(workspaces=workspaces)
    KnowledgeConfig(
        workspaces={
            "x": WorkspaceConfig(path=tmp_path / "a"),
            "y": WorkspaceConfig(path=tmp_path / "ab"),
        }
    )


def test_names_of_workspaces_and_peers_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(TableMistakes, match="small letters"):
        KnowledgeConfig(workspaces={"My Notes": WorkspaceConfig(path=tmp_path)})
    with pytest.raises(TableMistakes, match="no name of a node"):
        WorkspaceConfig(path=tmp_path, peers=("not a node",))


def test_a_folder_has_one_owner_and_so_have_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with owned(tmp_path, "the node one"):
        with pytest.raises(Taken, match="the node one"), owned(tmp_path, "the node two"):
            pass
        with pytest.raises(Taken, match="in a workspace already"), owned(tmp_path / "inner", "two"):
            pass
    with owned(tmp_path / "inner", "the node two"), owned(tmp_path, "the node three"):
        pass
