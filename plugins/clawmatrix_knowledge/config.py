"""The ``[knowledge]`` table."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read from the annotation
from pathlib import Path  # noqa: TC003 - so is this
from typing import Literal, TypeAlias

import attrs

from clawmatrix_core import ByteSize, Duration, TableMistakes, is_node_id, option
from clawmatrix_knowledge.shares import ANYBODY, is_workspace_name

__all__ = ["KnowledgeConfig", "Mode", "WorkspaceConfig"]

Mode: TypeAlias = Literal["both", "send-only", "receive-only"]


@attrs.frozen
class WorkspaceConfig:
    """A ``[knowledge.workspaces.NAME]`` table."""

    path: Path = option(doc="The folder.")
    peers: tuple[str, ...] = option(
        default=(),
        doc='The nodes that share it, or "*" for all that may; `[grants]` has to let each have it.',
    )
    mode: Mode = option(
        default="both",
        doc="`send-only` writes nothing that others changed; `receive-only` sends no edits.",
    )
    union: tuple[str, ...] = option(
        default=(), doc="Patterns of files in which the lines of all sides are kept."
    )
    lines: tuple[str, ...] = option(default=(), doc="Patterns of files that merge line by line.")
    strict: tuple[str, ...] = option(
        default=(), doc="Patterns of files in which no two edits may touch."
    )
    max_file_size: ByteSize = option(
        default=ByteSize(4 * 1024**3), doc="How large a file may be to sync."
    )
    rescan: Duration = option(
        default=Duration(600), doc="How often all files are looked at, whatever was noticed."
    )

    def __attrs_post_init__(self) -> None:
        wrong = [peer for peer in self.peers if peer != ANYBODY and not is_node_id(peer)]
        mistakes = [(("peers",), f"{peer!r} is no name of a node") for peer in wrong]
        if not self.rescan:
            mistakes.append((("rescan",), "must be more than zero"))
        if mistakes:
            raise TableMistakes(mistakes)


@attrs.frozen
class KnowledgeConfig:
    """The ``[knowledge]`` table."""

    workspaces: Mapping[str, WorkspaceConfig] = option(
        factory=dict, doc="The folders that are shared, by the names that all nodes use."
    )
    index_python: Path | None = option(
        default=None, doc="Another Python for the index, of version 3.11 or 3.12 with automerge."
    )
    history: ByteSize = option(
        default=ByteSize(1024**3),
        doc="How much what was replaced and deleted may take of each workspace's disk.",
    )
    min_free: float = option(
        default=0.05,
        doc="Which part of a disk stays free: with less, nothing that others send is written.",
        validator=[attrs.validators.ge(0), attrs.validators.lt(1)],
    )
    days: int = option(
        default=30,
        doc="For how many days that is kept.",
        validator=attrs.validators.ge(7),
    )

    def __attrs_post_init__(self) -> None:
        mistakes: list[tuple[tuple[str, ...], str]] = [
            (("workspaces", name), "must be small letters, digits, dots, dashes and underscores")
            for name in self.workspaces
            if not is_workspace_name(name)
        ]
        roots = {name: workspace.path.resolve() for name, workspace in self.workspaces.items()}
        for name, root in roots.items():
            for other, outer in roots.items():
                if name != other and (outer in root.parents or (root == outer and name > other)):
                    mistake = f"is in the folder of the workspace {other}, {outer}"
                    mistakes.append((("workspaces", name, "path"), mistake))
        if mistakes:
            raise TableMistakes(mistakes)
