"""A plugin object belongs to one node at a time: its state would be that of two nodes else."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clawmatrix_core.loading.plugin_info import PluginInfo

__all__ = ["sole_use"]

_users: dict[int, tuple[str]] = {}
"""Which running node has a plugin object, by the object's ``id``: nothing is kept of a node
that has ended."""


@contextmanager
def sole_use(
    infos: Iterable[PluginInfo], node_id: str, fail: Callable[[PluginInfo, str], None]
) -> Iterator[None]:
    """Have the plugin objects for as long as the block lasts; fail those another node has.

    A module may be the plugin of several nodes: each module there is once in a process.
    """
    taken: list[int] = []
    own = (node_id,)  # told from that of another node of this name by its identity
    try:
        for info in infos:
            if info.plugin is None or inspect.ismodule(info.plugin):
                continue
            user = _users.setdefault(id(info.plugin), own)
            if user is own:
                taken.append(id(info.plugin))
                continue
            told = f"its object is a plugin of the node {user[0]} already; give each node its own"
            fail(info, f"{told}, or the class {type(info.plugin).__name__}")
        yield
    finally:
        for key in taken:
            del _users[key]
