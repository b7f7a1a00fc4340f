"""The rules of one table of ``[grants]``, indexed by action and target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from clawmatrix_grants.programs import PROGRAM_TOOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clawmatrix_core import Action
    from clawmatrix_grants.conditions import Predicates
    from clawmatrix_grants.config import Effect
    from clawmatrix_grants.globs import Glob
    from clawmatrix_grants.rules import CompiledRule, RuleFor

__all__ = ["ByEffect", "GrantTable"]

ByEffect: TypeAlias = "dict[Effect | Literal['doubt'], list[RuleFor]]"
"""Rules by their effect. ``doubt`` has the asks once more, compared so that an ask whose condition
cannot be told applies too: it then beats an allow."""


class GrantTable:
    """The rules of a node, a group, the own clients or all members.

    Attributes:
        name: its name in the configuration.
        place: the same as a path, ``grants.home``.
        key: the key that it counts for, as text; None for one without.
        rules: all of them, in the order of the file.
    """

    def __init__(
        self,
        name: str,
        place: str,
        key: str | None,
        rules: Iterable[CompiledRule],
        made: Predicates,
    ) -> None:
        self.name, self.place, self.key = name, place, key
        self.rules: Sequence[CompiledRule] = tuple(rules)
        self._names: dict[tuple[Action, str], ByEffect] = {}
        self._patterns: dict[Action, dict[Glob, tuple[ByEffect, ByEffect]]] = {}
        for rule in self.rules:
            for glob in dict.fromkeys(rule.globs):
                self._add(rule, glob, made)

    def _add(self, rule: CompiledRule, glob: Glob, made: Predicates) -> None:
        if glob.fixed is not None:
            named = self._names.setdefault((rule.action, glob.fixed), _nothing())
            _put(named, rule, glob.fixed, made)
            return
        globs = self._patterns.setdefault(rule.action, {})
        if glob not in globs:
            globs[glob] = _nothing(), _nothing()
        programs, others = globs[glob]
        _put(programs, rule, PROGRAM_TOOL, made)
        _put(others, rule, "", made)

    def naming(self, action: Action, target: str) -> list[ByEffect]:
        """Return the rules that name what is asked for, whatever the arguments."""
        named = self._names.get((action, target))
        found = [] if named is None else [named]
        for glob, (programs, others) in self._patterns.get(action, {}).items():
            if glob.matches(target):
                found.append(programs if target == PROGRAM_TOOL else others)
        return found


def _nothing() -> ByEffect:
    return {"deny": [], "ask": [], "doubt": [], "allow": []}


def _put(into: ByEffect, rule: CompiledRule, target: str, made: Predicates) -> None:
    into[rule.effect].append(rule.for_target(target, made))
    if rule.effect == "ask" and rule.when:
        into["doubt"].append(rule.for_target(target, made, in_doubt=True))
