"""Who may do what here, as the table says."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from clawmatrix_core import LOCAL, is_node_id
from clawmatrix_grants.conditions import Predicates
from clawmatrix_grants.config import ACTIONS, EVERYONE
from clawmatrix_grants.keys import Keys, KnownKeys
from clawmatrix_grants.names import TABLE
from clawmatrix_grants.program_names import Programs
from clawmatrix_grants.programs import DEFAULT_PATH
from clawmatrix_grants.question import Considered, Decision, Question
from clawmatrix_grants.rules import compile_grant, first_applying
from clawmatrix_grants.table import GrantTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_grants.config import Effect, Grant, GrantsConfig
    from clawmatrix_grants.rules import CompiledRule
    from clawmatrix_grants.table import ByEffect

__all__ = ["TABLE", "Considered", "Decision", "Policy", "Question", "table_place"]

STRICTEST: Final[tuple[Effect, ...]] = ("deny", "ask", "allow")

_BARE = re.compile(r"[A-Za-z0-9_-]+")


class Policy:
    """The table ``[grants]``, put into a form in which questions are answered fast.

    Args:
        config: the table.
        known: the trust store.
        wall: gives the time, in seconds since 1970.
        is_revoked: says whether a key, its 32 bytes, was revoked.
        path: where bare names of programs are looked up.
    """

    def __init__(
        self,
        config: GrantsConfig,
        known: KnownKeys,
        *,
        wall: Callable[[], float],
        is_revoked: Callable[[bytes], bool] = lambda _: False,
        path: str = DEFAULT_PATH,
    ) -> None:
        self._config = config
        self._keys = Keys(known, is_revoked)
        self._wall = wall
        self._nodes: dict[str, list[GrantTable]] = {}
        self._everyone: list[GrantTable] = []
        self._local: list[GrantTable] = []
        programs, made = Programs(path), Predicates()
        for name, grant in config.grants.items():
            place = table_place(name)
            rules = compile_grant(place, grant, programs)
            self._add(grant, GrantTable(name, place, grant.key, rules, made))

    def _add(self, grant: Grant, table: GrantTable) -> None:
        if table.name == EVERYONE:
            self._everyone.append(table)
        elif table.name == LOCAL:
            self._local.append(table)
        elif is_node_id(table.name):
            self._nodes.setdefault(table.name, []).insert(0, table)
        else:
            for name in dict.fromkeys(grant.nodes or ()):
                self._nodes.setdefault(name, []).append(table)

    @cached_property
    def digest(self) -> str:
        """A hash of the table, in hexadecimal."""
        told = [[name, _told(grant)] for name, grant in self._config.grants.items()]
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def decide(self, question: Question) -> Decision:
        """Return what the table says, over all rules that apply."""
        own = _is_own(question)
        if not own and (why := self._keys.barred(question.peer, question.key)) is not None:
            return Decision("deny", TABLE, why)
        tables = self._tables(question)
        found = self._deciding(question, tables)
        if found is None:
            return self._undecided(question, tables)
        effect, rule = found
        return Decision(effect, rule.place, _DECIDES[effect])

    def _deciding(
        self, question: Question, tables: Sequence[tuple[GrantTable, str | None]]
    ) -> tuple[Effect, CompiledRule] | None:
        """Return the effect and the rule that decides; None where no rule applies."""
        naming = [
            (by_effect, why_not is None)
            for table, why_not in tables
            for by_effect in table.naming(question.action, question.target)
        ]
        now = self._wall()
        for effect in STRICTEST:
            for by_effect, counts in naming:
                if not counts and effect != "deny":
                    continue
                rule = first_applying(by_effect[effect], question.arguments, now)
                if rule is not None:
                    return _doubted(effect, rule, naming, question.arguments, now)
        return None

    def explain(self, question: Question) -> Sequence[Considered]:
        """Return what becomes of each rule that is about what is asked for, in the table's order.

        Of those that match a deny beats an ask, and an ask an allow. Rules for other nodes and
        other kinds are left out. A key that counts for nothing is told of by ``decide``.
        """
        tables = self._tables(question)
        found = self._deciding(question, tables)
        in_doubt = found is not None and found[0] == "ask"
        return [
            self._considered(rule, question, why_not, in_doubt=in_doubt)
            for table, why_not in tables
            for rule in table.rules
            if rule.action == question.action
        ]

    def _considered(
        self, rule: CompiledRule, question: Question, why_not: str | None, *, in_doubt: bool
    ) -> Considered:
        target = question.target
        if not any(glob.matches(target) for glob in rule.globs):
            return Considered(rule.place, rule.effect, False, f"it does not name {target}")
        if why_not is not None and rule.effect != "deny":
            return Considered(rule.place, rule.effect, False, why_not)
        now = self._wall()
        in_doubt = in_doubt and rule.effect == "ask"
        looked_at = rule.for_target(target, Predicates(), in_doubt=in_doubt)
        matched = first_applying([looked_at], question.arguments, now) is not None
        why = rule.told(target, question.arguments, now)
        return Considered(rule.place, rule.effect, matched, why)

    def _tables(self, question: Question) -> list[tuple[GrantTable, str | None]]:
        """Return the tables for whoever asks, each with why it does not count, if so."""
        if _is_own(question):
            return [(table, None) for table in self._local]
        peer, key = question.peer, question.key
        return [
            *((table, self._why_not(table, peer, key)) for table in self._nodes.get(peer, ())),
            *((table, None) for table in self._everyone),
        ]

    def _why_not(self, table: GrantTable, peer: str, key: str | None) -> str | None:
        return self._keys.why_not(peer, key, table.key)

    def _undecided(
        self, question: Question, tables: Sequence[tuple[GrantTable, str | None]]
    ) -> Decision:
        peer, action, target = question.peer, question.action, question.target
        reasons = [why for table, why in tables if why and table.naming(action, target)]
        if reasons:
            reason = reasons[0]
        elif not tables:
            reason = f"[{TABLE}] has nothing for {peer}"
        else:
            reason = f"[{TABLE}] does not let {peer} use the {action} {target} so"
        return Decision(None if action == "model" else "deny", TABLE, reason)


def _doubted(
    effect: Effect,
    rule: CompiledRule,
    naming: Sequence[tuple[ByEffect, bool]],
    arguments: Mapping[str, JSON] | None,
    now: float,
) -> tuple[Effect, CompiledRule]:
    """Return what decides: an ask beats an allow where its conditions cannot be told, too."""
    for by_effect, counts in naming if effect == "allow" else ():
        if counts and (ask := first_applying(by_effect["doubt"], arguments, now)) is not None:
            return "ask", ask
    return effect, rule


_DECIDES: Final[dict[Effect, str]] = {
    "allow": "a rule allows it",
    "ask": "a rule has a person asked",
    "deny": "a rule denies it",
}


def table_place(name: str) -> str:
    """Return where the table of a grant is, as TOML has it: ``grants."@ci"``."""
    return f"{TABLE}.{name}" if _BARE.fullmatch(name) else f'{TABLE}."{name}"'


def _is_own(question: Question) -> bool:
    return question.peer == LOCAL and question.key is None


def _told(grant: Grant) -> dict[str, object]:
    """Return a grant as JSON has it."""
    kinds: dict[str, object] = {kind: list(getattr(grant, kind)) for kind in ACTIONS}
    rules = [
        {
            "effect": rule.effect,
            "names": list(rule.patterns),
            "kind": rule.kind,
            "when": {name: condition.value for name, condition in rule.when.items()},
            "until": rule.until,
        }
        for rule in grant.rules
    ]
    nodes = None if grant.nodes is None else list(grant.nodes)
    return {**kinds, "key": grant.key, "nodes": nodes, "rules": rules}
