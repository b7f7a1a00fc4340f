"""The entries of the table in the form that questions are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs

from clawmatrix_grants.conditions import Matcher, cost, holds
from clawmatrix_grants.config import ACTIONS, PATHS
from clawmatrix_grants.globs import Glob
from clawmatrix_grants.programs import PROGRAM_TOOL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clawmatrix_core import JSON, Action
    from clawmatrix_grants.conditions import Predicate, Predicates
    from clawmatrix_grants.config import Effect, Grant, Kind, NamePattern, Rule
    from clawmatrix_grants.program_names import Programs

__all__ = ["CompiledRule", "Matchers", "RuleFor", "compile_grant", "first_applying"]

Matchers: TypeAlias = tuple[tuple[str, Matcher], ...]


@attrs.frozen(eq=False)
class CompiledRule:
    """One entry.

    Attributes:
        place: where it is, ``grants.home.rules[2]``.
        effect: what it does where it applies.
        action: what it is about.
        globs: the names that it is about.
        when: what the arguments have to be.
        programs: the same for the tool ``exec``, whose ``argv`` begins with a program.
        until: when it ends, in seconds since 1970.
    """

    place: str
    effect: Effect
    action: Action
    globs: tuple[Glob, ...]
    when: Matchers = ()
    programs: Matchers = ()
    until: float | None = None

    def matchers_for(self, target: str) -> Matchers:
        """Return what the arguments have to be where this is asked for."""
        return self.programs if target == PROGRAM_TOOL else self.when

    def for_target(self, target: str, made: Predicates, *, in_doubt: bool = False) -> RuleFor:
        """Return what is looked at where this is asked for.

        ``in_doubt`` has the rule apply where its conditions cannot be told too, as a deny does.
        """
        sure = self.effect != "deny" and not in_doubt
        order = sorted(self.matchers_for(target), key=lambda pair: cost(pair[1]))
        tests = tuple((name, made.of(name, matcher, sure=sure)) for name, matcher in order)
        return (self, self.until, tests)

    def told(self, target: str, arguments: Mapping[str, JSON] | None, now: float) -> str:
        """Return in words why it applies, or does not, to a target that it names."""
        if self.until is not None and now >= self.until:
            return "it has ended"
        matchers = self.matchers_for(target)
        if not matchers:
            return "it has no conditions"
        if arguments is None:
            return "its conditions may be met" if self.effect != "deny" else "it has conditions"
        told = {name: holds(matcher, arguments.get(name)) for name, matcher in matchers}
        unmet = [name for name, met in told.items() if met is False]
        untold = [name for name, met in told.items() if met is None]
        if unmet:
            return f"its condition on {', '.join(unmet)} is not met"
        if untold:
            words = f"its condition on {', '.join(untold)} cannot be told"
            beats = ": it beats an allow" if self.effect == "ask" else ""
            return f"{words}, which counts against the caller{beats}"
        return "its conditions are met"


RuleFor: TypeAlias = "tuple[CompiledRule, float | None, tuple[tuple[str, Predicate], ...]]"
"""A rule, when it ends, and what the arguments must pass: what a decision looks at, and no more."""


def first_applying(
    rules: Sequence[RuleFor], arguments: Mapping[str, JSON] | None, now: float
) -> CompiledRule | None:
    """Return the first rule that applies; all have one effect. See ``Question`` for arguments."""
    if arguments is None:  # could any call pass?
        for rule, until, tests in rules:
            if (until is None or now < until) and (not tests or rule.effect != "deny"):
                return rule
        return None
    get = arguments.get
    met: dict[Predicate, bool] = {}
    for rule, until, tests in rules:
        if until is not None and now >= until:
            continue
        for name, test in tests:
            holds_here = met.get(test)
            if holds_here is None:
                holds_here = met[test] = test(get(name))
            if not holds_here:
                break
        else:
            return rule
    return None


def compile_grant(place: str, grant: Grant, programs: Programs) -> Iterator[CompiledRule]:
    """Yield what a grant has, its lists first; ``place`` is the one of its table."""
    for kind in ACTIONS:
        patterns: tuple[NamePattern, ...] = getattr(grant, kind)
        if patterns:
            yield CompiledRule(f"{place}.{kind}", "allow", ACTIONS[kind], _globs(kind, patterns))
    for number, rule in enumerate(grant.rules):
        yield _compile_rule(f"{place}.rules[{number}]", rule, programs)


def _compile_rule(place: str, rule: Rule, programs: Programs) -> CompiledRule:
    when = tuple((name, condition.matcher) for name, condition in rule.when.items())
    resolved = tuple(
        (name, programs.argv(rule.effect, condition.value) if name == "argv" else condition.matcher)
        for name, condition in rule.when.items()
    )
    return CompiledRule(
        place,
        rule.effect,
        ACTIONS[rule.kind],
        _globs(rule.kind, rule.patterns),
        when,
        resolved if rule.kind == "tools" else when,
        rule.until,
    )


def _globs(kind: Kind, patterns: tuple[NamePattern, ...]) -> tuple[Glob, ...]:
    return tuple(Glob(pattern, paths=kind in PATHS) for pattern in patterns)
