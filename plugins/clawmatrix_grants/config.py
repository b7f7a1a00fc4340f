"""The ``[grants]`` table."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping  # noqa: TC003 - read from the annotation
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self, TypeAlias

import attrs

from clawmatrix_core import LOCAL, TableMistakes, is_node_id, key_text, option, read_key_text
from clawmatrix_grants.conditions import Condition  # noqa: TC001 - so is this
from clawmatrix_grants.globs import Glob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import Action

__all__ = [
    "ACTIONS",
    "EVERYONE",
    "PATHS",
    "Effect",
    "Grant",
    "GrantName",
    "GrantsConfig",
    "Kind",
    "NamePattern",
    "NodeKey",
    "Rule",
    "Until",
]

Effect: TypeAlias = Literal["allow", "ask", "deny"]
Kind: TypeAlias = Literal["tools", "agents", "models", "workspaces", "resources"]

EVERYONE: Final = "*"
"""The table for all members."""
ACTIONS: Final[Mapping[Kind, Action]] = {
    "tools": "tool",
    "agents": "agent",
    "models": "model",
    "workspaces": "workspace",
    "resources": "resource",
}
PATHS: Final[frozenset[Kind]] = frozenset({"workspaces", "resources"})
"""Kinds whose names are paths: ``*`` keeps to one folder of them."""
FOR_EVERYONE: Final[tuple[Kind, ...]] = ("models", "workspaces")
EFFECTS: Final[tuple[Effect, ...]] = ("allow", "ask", "deny")

_GROUP = re.compile(r"@[A-Za-z0-9._-]{1,64}")


class NamePattern(str):
    """A pattern for names of tools, models and the like."""

    __slots__ = ()
    config_words: ClassVar[str] = 'a name, or a pattern such as "read*"'

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the pattern. Raises: ValueError, TypeError."""
        if not isinstance(value, str):
            raise TypeError
        Glob(value)
        return cls(value)


class NodeKey(str):
    """A node's key as text."""

    __slots__ = ()
    config_words: ClassVar[str] = 'a key such as "ed25519:..."'

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the key. Raises: ValueError, TypeError."""
        if not isinstance(value, str):
            raise TypeError
        try:
            return cls(key_text(read_key_text(value)))
        except ValueError as error:
            raise ValueError(f"{error}; `clawmatrix fingerprint --key` there prints it") from None


class NodeName(str):
    """A node's name."""

    __slots__ = ()
    config_words: ClassVar[str] = "the name of a node"

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the name. Raises: ValueError, TypeError."""
        if not isinstance(value, str):
            raise TypeError
        if not is_node_id(value):
            raise ValueError("is not the name of a node")
        return cls(value)


class GrantName(str):
    """Whom a table of ``[grants]`` is for."""

    __slots__ = ()
    config_words: ClassVar[str] = (
        'the name of a node, "@local", "@" and the name of a group, or "*"'
    )

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the name. Raises: ValueError, TypeError."""
        if not isinstance(value, str):
            raise TypeError
        if not (is_node_id(value) or value == EVERYONE or _GROUP.fullmatch(value)):
            raise ValueError(f"expected {cls.config_words}")
        return cls(value)


class Until(float):
    """A time, in seconds since 1970."""

    __slots__ = ()
    config_words: ClassVar[str] = "a time with its offset, such as 2027-01-31T00:00:00Z"

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the time. Raises: ValueError, TypeError."""
        if isinstance(value, cls):
            return value
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            return cls(value.timestamp())
        if isinstance(value, datetime.date):
            raise ValueError(f"expected {cls.config_words}")
        raise TypeError

    def __str__(self) -> str:
        return datetime.datetime.fromtimestamp(self, datetime.UTC).isoformat()


Patterns: TypeAlias = tuple[NamePattern, ...]


@attrs.frozen
class Rule:
    """One of ``[[grants.NAME.rules]]``."""

    allow: Patterns | None = option(
        default=None, shown="", doc="Names or patterns that are allowed; one of these three keys."
    )
    ask: Patterns | None = option(
        default=None, shown="", doc="Those that a person of this node has to allow each time."
    )
    deny: Patterns | None = option(
        default=None, shown="", doc="Those that are denied, whatever else allows them."
    )
    kind: Kind = option(default="tools", doc="What these are the names of.")
    when: Mapping[str, Condition] = option(
        factory=dict,
        name="ARGUMENT",
        doc="What the arguments have to be for the rule to apply: patterns by name. A list is"
        ' compared element by element, a list in it is one of these, and `"**"` the rest.',
    )
    until: Until | None = option(
        default=None, doc="When the rule ends, with its offset: `2027-01-31T00:00:00Z`."
    )

    def __attrs_post_init__(self) -> None:
        if len([effect for effect in EFFECTS if getattr(self, effect) is not None]) != 1:
            raise ValueError("has to have one of allow, ask and deny, and one only")

    @property
    def effect(self) -> Effect:
        """What it does where it applies."""
        return next(effect for effect in EFFECTS if getattr(self, effect) is not None)

    @property
    def patterns(self) -> Patterns:
        """The names and patterns that it is about."""
        found: Patterns = getattr(self, self.effect)
        return found


@attrs.frozen
class Grant:
    """What a node, a group, this node's own clients or all members may use."""

    key: NodeKey | None = option(
        default=None,
        doc="The key that it counts for, and those that this node saw it change to. Without one"
        " it counts for a key that is accepted, invited or introduced.",
    )
    nodes: tuple[NodeName, ...] | None = option(
        default=None, shown="", doc='The nodes of a group, `[grants."@NAME"]`.'
    )
    tools: Patterns = option(default=(), doc="Tools that it may use, whatever the arguments.")
    agents: Patterns = option(default=(), doc="Agents that it may use, whatever the arguments.")
    models: Patterns = option(default=(), doc="Models that it may use, whatever the arguments.")
    workspaces: Patterns = option(
        default=(), doc="Workspaces that it may use, whatever the arguments."
    )
    resources: Patterns = option(
        default=(), doc="Resources that it may use, whatever the arguments."
    )
    rules: tuple[Rule, ...] = option(default=(), doc="What is allowed, asked for or denied.")


@attrs.frozen
class GrantsConfig:
    """Who may use what of this node. Where the table is there, nobody may use anything else."""

    grants: Mapping[GrantName, Grant] = option(
        factory=dict,
        rest=True,
        name="NAME",
        doc="What a node may use.",
        reload=True,
    )

    def __attrs_post_init__(self) -> None:
        mistakes = [
            found for name, grant in self.grants.items() for found in _mistakes(name, grant)
        ]
        if mistakes:
            raise TableMistakes(mistakes)


Mistake: TypeAlias = "tuple[tuple[str | int, ...], str]"


def _mistakes(name: str, grant: Grant) -> Iterator[Mistake]:
    """Yield what a table has that does not go with its name."""
    group = name.startswith("@") and name != LOCAL
    if group and grant.nodes is None:
        yield (name,), 'a group has nodes = ["..."]'
    if grant.nodes is not None and not group:
        yield (name, "nodes"), 'only a group has nodes, [grants."@NAME"]'
    if grant.key is not None and not is_node_id(name):
        yield (name, "key"), "only the grant of one node has a key"
    if name == EVERYONE:
        yield from _mistakes_of_everyone(grant)


def _mistakes_of_everyone(grant: Grant) -> Iterator[Mistake]:
    words = "all members can be granted models and workspaces only"
    for kind in ACTIONS:
        if kind not in FOR_EVERYONE and getattr(grant, kind):
            yield (EVERYONE, kind), words
    for place, rule in enumerate(grant.rules):
        if rule.kind not in FOR_EVERYONE:
            yield (EVERYONE, "rules", place), f'{words}, and kind = "{rule.kind}" is neither'
