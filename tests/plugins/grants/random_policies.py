"""Random tables of grants and questions about them, small enough that much of them meets.

A seed makes each: drawing every word of a table from Hypothesis takes twenty times as long.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

from clawmatrix_core.members.identity import Identity
from tests.plugins.grants.helpers import KEY, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

__all__ = ["OTHER", "Asked", "Table", "asked", "rule", "sure", "table"]

Table = dict[str, Any]
Asked = tuple[str, str, str, Any]
"""A peer, an action, a target and arguments."""

OTHER: Final = Identity.generate(lambda size: b"o" * size)
"""A key that is nobody's."""

NAMES = ("read", "list", "write", "read*", "*", "[rl]*", "s/**", "s/*")
TARGETS = ("read", "list", "write", "s/a", "s/a/b", "reader")
TEXTS = ("code/a", "code/b/c", "code/../c", "x", "", "code//a", "a*b", "--all")
PATTERNS = (*TEXTS[:4], "code/*", "code/**", "**/c", "*", "x*", "[!x]*", "c**c")
SIMPLE = (*PATTERNS, *PATTERNS, 1, 2.5, True, False)
PLAIN = (*TEXTS, *TEXTS, 1, 2.5, 2, True, False, None)
TIMES = tuple(
    datetime.datetime.fromtimestamp(NOW + seconds, datetime.UTC) for seconds in (-60, 0, 1, 3600)
)
KINDS = ("tools", "tools", "tools", "tools", "agents", "models", "workspaces", "resources")
ACTIONS = ("tool", "tool", "tool", "tool", "agent", "model", "workspace", "resource")
EFFECTS = ("allow", "ask", "deny")
KEYS = (None, KEY.key_text, OTHER.key_text)


def _some(random: Random, most: int, make: Callable[[], Any]) -> list[Any]:
    return [make() for _ in range(random.randint(0, most))]


def _pattern(random: Random) -> object:
    return "x" if random.random() < 0.4 else random.choice(SIMPLE)


def _plain(random: Random) -> object:
    return "x" if random.random() < 0.4 else random.choice(PLAIN)


def _condition(random: Random) -> object:
    match random.randrange(6):
        case 0:
            return {key: _pattern(random) for key in random.sample("ab", random.randint(0, 2))}
        case 1 | 2:
            items = _some(random, 3, lambda: _item(random))
            return [*items, "**"] if random.random() < 0.4 else items
        case 3:
            return "**"
        case _:
            return _pattern(random)


def _item(random: Random) -> object:
    if random.random() < 0.6:
        return _pattern(random)
    return [
        "**" if random.random() < 0.1 else _pattern(random) for _ in range(random.randint(1, 3))
    ]


def _value(random: Random) -> object:
    match random.randrange(5):
        case 0:
            return {key: _plain(random) for key in random.sample("ab", random.randint(0, 2))}
        case 1 | 2:
            return _some(random, 4, lambda: _plain(random))
        case _:
            return _plain(random)


def _names(random: Random) -> list[str]:
    return [random.choice(NAMES) for _ in range(random.choice((0, 1, 1, 2, 2)))]


def rule(
    random: Random, effects: Sequence[str] = EFFECTS, kinds: Sequence[str] = KINDS
) -> dict[str, Any]:
    """Return one rule."""
    names = random.sample("abc", random.choice((0, 0, 1, 2)))
    when = {name: _condition(random) for name in names}
    ends = {"until": random.choice(TIMES)} if random.random() < 0.3 else {}
    return {
        random.choice(effects): _names(random),
        "kind": random.choice(kinds),
        "when": when,
        **ends,
    }


def _grant(random: Random, size: int, kinds: Sequence[str] = KINDS) -> dict[str, Any]:
    lists = {kind: _names(random) for kind in random.sample(sorted(set(kinds)), 2)}
    return {**lists, "rules": _some(random, size, lambda: rule(random, kinds=kinds))}


def table(random: Random, size: int) -> Table:
    """Return a whole table, of which no grant has more rules than ``size``."""
    made: Table = {}
    for name in random.sample(("home", "ci1", "@local", "@ci", "@all", "*"), random.randint(1, 6)):
        made[name] = _grant(random, size, ("models", "workspaces") if name == "*" else KINDS)
        if name in ("home", "ci1") and (key := random.choice(KEYS)) is not None:
            made[name]["key"] = key
        if name in ("@ci", "@all"):
            made[name]["nodes"] = random.sample(("home", "ci1", "ci2"), random.randint(0, 2))
    return made


def asked(random: Random) -> Asked:
    """Return a question."""
    names = random.sample("abc", random.randint(0, 3))
    arguments = {name: _value(random) for name in names} if random.random() < 0.8 else None
    peer = random.choice(("home", "home", "home", "ci1", "@local"))
    return peer, random.choice(ACTIONS), random.choice(TARGETS), arguments


def sure(made: Mapping[str, Any], peer: str, *, known: bool) -> dict[str, bool]:
    """Say of each table whether it counts for KEY, which ``known`` says is known surely."""
    return {
        name: name == "*"
        or peer == "@local"
        or (grant["key"] == KEY.key_text if "key" in grant else known)
        for name, grant in made.items()
    }
