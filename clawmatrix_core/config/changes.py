"""What reads differently in a new configuration, and what of it can be in force at once."""

from __future__ import annotations

from typing import Any, TypeVar

import attrs

from clawmatrix_core.config.kinds import fields_of
from clawmatrix_core.config.messages import format_path

__all__ = ["Changes", "merge"]

T = TypeVar("T")


@attrs.frozen
class Changes:
    """Keys that read differently, by path: ``tags``, ``mesh.peers``.

    Attributes:
        reloaded: the changes in force now.
        restart: the changes that wait for a restart of the node.
        faults: what went wrong in plugins that were told, in words.
    """

    reloaded: frozenset[str] = frozenset()
    restart: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()

    def __or__(self, other: Changes) -> Changes:
        return Changes(
            self.reloaded | other.reloaded,
            self.restart | other.restart,
            self.faults + other.faults,
        )


def merge(old: T, new: T, table: str) -> tuple[T, Changes]:
    """Return the old table with the keys of the new one that need no restart.

    Both are of one attrs class, made of ``option``. Raises: ValueError or TypeError, where
    the keys do not go together.
    """
    taken: dict[str, Any] = {}
    restart = set[str]()
    reloaded = set[str]()
    for field in fields_of(type(old)):
        value = getattr(new, field.name)
        if value == getattr(old, field.name):
            continue
        path = _path(table, field)
        if field.metadata.get("reload"):
            taken[str(field.alias)] = value
            reloaded.add(path)
        else:
            restart.add(path)
    # Made anew only where something changed: a table of a plugin may be made by hand.
    merged = attrs.evolve(old, **taken) if taken else old  # type: ignore[misc]
    return merged, Changes(frozenset(reloaded), frozenset(restart))


def _path(table: str, field: attrs.Attribute[Any]) -> str:
    if field.metadata.get("rest"):
        return table  # its keys are the table's own
    prefix = f"{table}." if table else ""
    return prefix + format_path([str(field.alias)])
