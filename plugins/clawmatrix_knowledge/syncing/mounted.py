"""File systems that are mounted inside a workspace, and may go while it is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_knowledge.files.locating import Hindered

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from clawmatrix_knowledge.files.tree import Tree
    from clawmatrix_knowledge.syncing.planning import Step

__all__ = ["here_now"]


async def here_now(tree: Tree, mounts: Mapping[str, int], steps: Sequence[Step]) -> Sequence[Step]:
    """Leave out steps below a mount that is not there.

    What would be written below its folder meanwhile is hidden once it is back, and would then be
    taken for deleted.

    Args:
        tree: the files.
        mounts: the folders that were roots of other file systems, and their devices; 0 for one
            that is not known.
        steps: what is to be done.
    """
    some = [path for path in mounts if any(_is_below(step.path, path) for step in steps)]
    away = [path for path in some if not await _is_mounted(tree, path, mounts[path])]
    return [step for step in steps if not _is_below_any(step.path, away)]


async def _is_mounted(tree: Tree, path: str, device: int) -> bool:
    above = path.rpartition("/")[0]
    files = tree.files
    try:
        here = await tree.stat(path)
        outer = await (tree.stat(above) if above else files.run(lambda: files.stat(())))
    except (Hindered, OSError):
        return False
    if here is None or outer is None or here.device == outer.device:
        return False
    return device in (0, here.device)


def _is_below_any(path: str, mounts: Collection[str]) -> bool:
    return any(_is_below(path, mount) for mount in mounts)


def _is_below(path: str, mount: str) -> bool:
    return path.startswith(f"{mount}/")
