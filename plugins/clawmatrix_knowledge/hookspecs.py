"""The hooks that the ``knowledge`` plugin calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import hookspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Node
    from clawmatrix_knowledge.api import Version


@hookspec
async def knowledge_changed(
    node: Node, workspace: str, paths: Sequence[str], versions: Sequence[Version], peer: str
) -> None:
    """Note that files of a workspace changed, here or on another node.

    Called by the ``knowledge`` plugin once the versions are in the index and, where others made
    them, the files on the disk. ``peer`` is the node that says that it made them; the name is not
    proven. Dispatch: notify.
    """
    raise NotImplementedError
