"""What the grants come to for a node, in words and as JSON: for commands."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from clawmatrix_core import LOCAL, is_node_id
from clawmatrix_grants.config import ACTIONS, EVERYONE, GrantsConfig
from clawmatrix_grants.key_views import KeysOfNode
from clawmatrix_grants.keys import Keys
from clawmatrix_grants.policy import TABLE, Policy, table_place
from clawmatrix_grants.question import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clawmatrix_core import JSON, Action, Config, Node
    from clawmatrix_grants.config import Grant, Rule
    from clawmatrix_grants.key_views import KeyView

__all__ = ["NO_TABLE", "Report", "names_everybody"]

NO_TABLE: Final = "there is no table [grants]: nobody may use anything but models"
"""What is said where no plugin decides, since nothing is granted or denied to anybody."""


def names_everybody(peer: str) -> bool:
    """Say whether a name stands for nodes without a key of their own: groups, ``*``, ``@local``."""
    return not is_node_id(peer)


@attrs.frozen
class Report:
    """Looks at a configuration and at keys, of a node that runs or of one that does not.

    Args:
        config: the configuration with its tables; None where only keys are looked at.
        known: which key each name is known by, and how.
        wall: gives the time, in seconds since 1970.
    """

    config: Config | None
    known: KeyView
    wall: Callable[[], float] = time.time

    @classmethod
    def of_node(cls, node: Node) -> Self:
        """Return the report of a node that runs."""
        return cls(node.config, KeysOfNode(node), node.clock.wall)

    @property
    def table(self) -> GrantsConfig | None:
        """The table ``[grants]``, None where there is none."""
        if self.config is None or not self.config.has_table(TABLE):
            return None
        return self.config.section(GrantsConfig)

    def policy(self) -> Policy | None:
        """Return what decides by the table, None where there is none."""
        table = self.table
        if table is None:
            return None
        return Policy(table, self.known, wall=self.wall, is_revoked=self.known.is_revoked)

    def key_of(self, peer: str) -> dict[str, JSON]:
        """Return the key that a node is known by, how, and the others shown under its name."""
        found = self.known.entry(peer)
        if found is None:
            return {"peer": peer, "key": None, "conflicts": []}
        conflicts = [
            {"fingerprint": one.fingerprint, "proven": one.proven, "count": one.count}
            for one in self.known.conflicts(peer)
        ]
        return {
            "peer": peer,
            "key": found.text,
            "fingerprint": found.fingerprint,
            "digits": found.digits,
            "known": found.known,
            "conflicts": conflicts,
        }

    def key_for(self, peer: str, given: str | None, bound: str | None) -> dict[str, JSON]:
        """Return what a person has to know before a grant to a key is written.

        ``given`` is that key, else it is the one that the node is known by. Beside what
        ``key_of`` has, ``trouble`` says why nothing can be granted to it, and ``follows`` whether
        a grant to the key ``bound`` counts for it.
        """
        found = self.key_of(peer)
        key, keys = given or found["key"], Keys(self.known, self.known.is_revoked)
        trouble = None if key is None else keys.barred(peer, key)
        follows = bound is not None and keys.why_not(peer, key, bound) is None
        return {**found, "trouble": trouble, "follows": follows}

    def shown(self, peer: str | None) -> dict[str, JSON]:
        """Return what everybody whom the table names may use, or one node."""
        table, policy = self.table, self.policy()
        if table is None or policy is None:
            return {"table": False, "digest": None, "peers": []}
        peers = self._peers(table) if peer is None else [peer]
        shown = [self._peer(table, one) for one in peers]
        return {"table": True, "digest": policy.digest, "peers": shown}

    def question(
        self, peer: str, action: Action, target: str, arguments: Mapping[str, JSON] | None
    ) -> Question:
        """Return the question as the node would ask it where the peer shows its present key."""
        if peer == LOCAL or (self.config is not None and peer == self.config.node_id):
            return Question(LOCAL, None, action, target, arguments)
        found = self.known.entry(peer)
        key = None if found is None else found.text
        return Question(peer, key, action, target, arguments)

    def why_not(self, peer: str, granted: str | None) -> str | None:
        """Return why a grant does not count for the key that a node is known by.

        None where it does. ``granted`` is the key of the grant, where it has one.
        """
        found = self.known.entry(peer)
        if found is None:
            return f"no key of {peer} is known here"
        return Keys(self.known, self.known.is_revoked).why_not(peer, found.text, granted)

    def unknown(self, question: Question) -> str | None:
        """Return why a question cannot be allowed, where it is of a node without a key here."""
        known = question.key is not None or question.peer == LOCAL
        return None if known else f"no key of {question.peer} is known here"

    def considered(self, question: Question) -> list[JSON]:
        """Return what becomes of each rule for a question."""
        policy = self.policy()
        return [attrs.asdict(one) for one in policy.explain(question)] if policy else []

    def _peers(self, table: GrantsConfig) -> list[str]:
        named = [
            *table.grants,
            *(node for one in table.grants.values() for node in one.nodes or ()),
        ]
        return [str(name) for name in dict.fromkeys(named) if not _is_group(name)]

    def _peer(self, table: GrantsConfig, peer: str) -> dict[str, JSON]:
        known = {} if names_everybody(peer) else self.key_of(peer)
        grants = [self._grant(name, table.grants[name], peer) for name in _tables_for(table, peer)]
        return {"peer": peer, "key": None, **known, "grants": grants}

    def _grant(self, name: Any, grant: Grant, peer: str) -> dict[str, JSON]:
        of_keys = is_node_id(peer) and name != EVERYONE
        why = self.why_not(peer, grant.key) if of_keys else None
        rules = list(_rules(table_place(name), grant, self.wall()))
        return {"table": table_place(name), "counts": why is None, "why": why, "rules": rules}


def _is_group(name: str) -> bool:
    return name.startswith("@") and name != LOCAL


def _tables_for(table: GrantsConfig, peer: str) -> Iterator[Any]:
    for name, grant in table.grants.items():
        if name == peer or peer in (grant.nodes or ()) or (name == EVERYONE and is_node_id(peer)):
            yield name


def _rules(place: str, grant: Grant, now: float) -> Iterator[dict[str, JSON]]:
    for kind in ACTIONS:
        if patterns := getattr(grant, kind):
            yield _shown(f"{place}.{kind}", "allow", kind, patterns)
    for number, rule in enumerate(grant.rules):
        yield _shown(f"{place}.rules[{number}]", rule.effect, rule.kind, rule.patterns, rule, now)


def _shown(
    place: str, effect: str, kind: str, names: Any, rule: Rule | None = None, now: float = 0.0
) -> dict[str, JSON]:
    when = {} if rule is None else {name: one.value for name, one in rule.when.items()}
    until = None if rule is None or rule.until is None else str(rule.until)
    ended = rule is not None and rule.until is not None and now >= rule.until
    return {
        "rule": place,
        "effect": effect,
        "kind": kind,
        "names": [str(name) for name in names],
        "when": when,
        "until": until,
        "ended": ended,
    }
