"""All entries of the table, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

from clawmatrix_core import LOCAL
from clawmatrix_grants.config import ACTIONS, EVERYONE, PATHS
from clawmatrix_grants.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clawmatrix_grants.conditions import Condition
    from clawmatrix_grants.config import Effect, Grant, GrantsConfig, Kind

__all__ = ["Entry", "Warned", "entries_of", "speak_for"]

Path: TypeAlias = tuple[str | int, ...]
Warned: TypeAlias = tuple[Path, str]
"""Where in the table something was found, and what is said of it."""


@attrs.frozen
class Entry:
    """One list of a grant, or one of its rules.

    Attributes:
        table: the name of the grant.
        path: where it is in ``[grants]``: ``("home", "rules", 0)``.
        effect: what it does where it applies.
        kind: what it names.
        patterns: the names and patterns.
        when: what the arguments have to be; empty where any will do.
        until: when it ends, in seconds since 1970; None where it does not.
    """

    table: str
    path: Path
    effect: Effect
    kind: Kind
    patterns: tuple[str, ...]
    when: Mapping[str, Condition] = attrs.field(factory=dict)
    until: float | None = None

    @property
    def place(self) -> str:
        """Where it is, below its grant, for people: ``rules[0]``."""
        _, name, *number = self.path
        return f"{name}[{number[0]}]" if number else str(name)

    def names(self, target: str) -> bool:
        """Say whether it is about something."""
        return any(self.glob(pattern).matches(target) for pattern in self.patterns)

    def glob(self, pattern: str) -> Glob:
        """Return one of its patterns, put into the form that is compared."""
        return Glob(pattern, paths=self.kind in PATHS)

    def lasts_as_long_as(self, other: Entry) -> bool:
        """Say whether it does not end before another one."""
        return self.until is None or (other.until is not None and self.until >= other.until)


def entries_of(config: GrantsConfig, now: float) -> Iterator[Entry]:
    """Yield the entries that have not ended; ``now`` is in seconds since 1970."""
    for name, grant in config.grants.items():
        for kind in ACTIONS:
            patterns: tuple[str, ...] = getattr(grant, kind)
            if patterns:
                yield Entry(name, (name, kind), "allow", kind, patterns)
        for number, rule in enumerate(grant.rules):
            if rule.until is None or rule.until > now:
                path = (name, "rules", number)
                yield Entry(
                    name, path, rule.effect, rule.kind, rule.patterns, rule.when, rule.until
                )


def speak_for(config: GrantsConfig, table: str) -> set[str]:
    """Return the tables that apply to everybody to whom a table applies, whenever it does.

    A group applies to a key that is surely known, and so it applies wherever a grant without a
    key does.
    """
    found = {table} if table == LOCAL else {table, EVERYONE}
    grant = config.grants[table]  # type: ignore[index]
    nodes = _nodes(table, grant)
    for name, other in config.grants.items():
        if other.nodes is not None and nodes and nodes <= set(other.nodes):
            found.add(name)
    return found


def _nodes(table: str, grant: Grant) -> set[str]:
    if grant.nodes is not None:
        return set(grant.nodes)
    return set() if grant.key is not None or table in (EVERYONE, LOCAL) else {table}
