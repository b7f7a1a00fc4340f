"""The rules of one table of ``[grants]``, found by what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clawmatrix_core import Action
    from clawmatrix_grants.config import Effect
    from clawmatrix_grants.globs import Glob
    from clawmatrix_grants.rules import CompiledRule

__all__ = ["ByEffect", "GrantTable"]

ByEffect: TypeAlias = "dict[Effect, list[CompiledRule]]"


class GrantTable:
    """The rules of a node, a group, the own clients or all members.

    Attributes:
        name: its name in the configuration.
        place: the same as a path, ``grants.home``.
        key: the key that it counts for, as text; None for one without.
        rules: all of them, in the order of the file.
    """

    def __init__(
        self, name: str, place: str, key: str | None, rules: Iterable[CompiledRule]
    ) -> None:
        self.name, self.place, self.key = name, place, key
        self.rules: Sequence[CompiledRule] = tuple(rules)
        self._names: dict[tuple[Action, str], ByEffect] = {}
        self._patterns: dict[Action, dict[Glob, ByEffect]] = {}
        for rule in self.rules:
            for glob in dict.fromkeys(rule.globs):
                self._place_of(rule.action, glob)[rule.effect].append(rule)

    def _place_of(self, action: Action, glob: Glob) -> ByEffect:
        new: ByEffect = {"deny": [], "ask": [], "allow": []}
        if glob.fixed is not None:
            return self._names.setdefault((action, glob.fixed), new)
        return self._patterns.setdefault(action, {}).setdefault(glob, new)

    def naming(self, action: Action, target: str) -> list[ByEffect]:
        """Return the rules that name what is asked for, whatever the arguments."""
        named = self._names.get((action, target))
        found = [] if named is None else [named]
        for glob, rules in self._patterns.get(action, {}).items():
            if glob.matches(target):
                found.append(rules)
        return found
