"""The rule by which a person is asked: what it would allow, in words and as TOML. No I/O."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from clawmatrix_core import LOCAL, ConfigError
from clawmatrix_grants.approvals.call import canonical
from clawmatrix_grants.approvals.words import visible
from clawmatrix_grants.config import EVERYONE, Rule, Until
from clawmatrix_grants.globs import ANYTHING, Glob
from clawmatrix_grants.policy import table_place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON
    from clawmatrix_grants.config import Grant, GrantsConfig

__all__ = ["AskingRule", "with_rule_allowing"]

_PLACE: Final = re.compile(r'grants: (grants\.(?:"(.+)"|([^".]+)))\.rules\[(\d+)\]')


@attrs.frozen
class AskingRule:
    """A rule of ``[grants]`` that has a person asked.

    Attributes:
        peer: the name of the table that it is in.
        index: which of the rules of that table it is, from 0.
        grant: the table.
    """

    peer: str
    index: int
    grant: Grant

    @classmethod
    def find(cls, config: GrantsConfig, named: str) -> AskingRule:
        """Return the rule that an approval names. Raises: LookupError, where it is no such rule."""
        if (match := _PLACE.fullmatch(named)) is None:
            raise LookupError(f"{named} is no rule of [grants]: only such a rule can be changed")
        peer, index = match[2] or match[3], int(match[4])
        grant = next((one for name, one in config.grants.items() if name == peer), None)
        if grant is None or index >= len(grant.rules) or grant.rules[index].ask is None:
            raise LookupError(f"{match[0]} has changed meanwhile")
        return cls(peer, index, grant)

    @property
    def rule(self) -> Rule:
        """The rule as it is."""
        return self.grant.rules[self.index]

    def allowing(self, config: GrantsConfig) -> GrantsConfig:
        """Return the table ``[grants]`` in which the rule allows what it had people asked about."""
        rules = list(self.grant.rules)
        rules[self.index] = attrs.evolve(self.rule, ask=None, allow=self.rule.ask)
        grant = attrs.evolve(self.grant, rules=tuple(rules))
        grants = {name: grant if name == self.peer else one for name, one in config.grants.items()}
        return attrs.evolve(config, grants=grants)

    def told(self) -> JSON:
        """Return it for the control socket, as ``with_rule_allowing`` takes it."""
        rule, nodes = self.rule, self.grant.nodes
        return {
            "peer": self.peer,
            "index": self.index,
            "nodes": None if nodes is None else list(map(str, nodes)),
            "ask": _names(rule),
            "kind": rule.kind,
            "when": {name: condition.value for name, condition in rule.when.items()},
            "until": None if rule.until is None else float(rule.until),
        }

    def words(self) -> Sequence[str]:
        """Return in words what it would allow."""
        rule = self.rule
        names = ", ".join(map(_pattern, _names(rule)))
        end = "" if rule.until is None else f", until {rule.until}"
        head = f"{self._who()} may use the {rule.kind} {names}"
        if not rule.when:
            return [f"{head} with any arguments, without asking anybody{end}"]
        conditions = [
            f"  {visible(name)} is {_value(condition.value)}"
            for name, condition in rule.when.items()
        ]
        return [f"{head} without asking anybody{end}, where", *conditions]

    def toml(self) -> Sequence[str]:
        """Return the lines of the rule as it would be written."""
        rule = self.rule
        lines = [f"[[{table_place(self.peer)}.rules]]", f"allow = {_toml(_names(rule))}"]
        if rule.kind != "tools":
            lines.append(f"kind = {_toml(rule.kind)}")
        if rule.when:
            when = {name: condition.value for name, condition in rule.when.items()}
            lines.append(f"when = {_toml(when)}")
        if rule.until is not None:
            lines.append(f"until = {rule.until}")
        return lines

    def _who(self) -> str:
        if self.peer == LOCAL:
            return "each client of this node"
        if self.peer == EVERYONE:
            return "each member"
        if self.grant.nodes is not None:
            return f"each node of {self.peer} ({', '.join(self.grant.nodes)})"
        return self.peer


def with_rule_allowing(text: str, told: Mapping[str, Any], tomlkit: Any) -> str:
    """Return the text of a configuration in which a rule allows what it had people asked about.

    ``told`` is what ``AskingRule.told`` gave, and ``tomlkit`` that package. All else in the text
    stays as it is. Raises: ConfigError, where a person has to edit the file.
    """
    place = f"{table_place(told['peer'])}.rules[{told['index']}]"
    expected = tomllib.loads(text)
    if not _is_written_there(expected, told):
        raise ConfigError([f"{place}: the file has another rule there than the node that runs"])
    rule = expected["grants"][told["peer"]]["rules"][told["index"]]
    rule["allow"] = rule.pop("ask")
    document = tomlkit.parse(text)
    edited = document["grants"][told["peer"]]["rules"][told["index"]]
    _rename(edited.value.body, tomlkit)
    written = str(document.as_string())
    if tomllib.loads(written) != expected:
        raise ConfigError([f"{place}: edit the file by hand: write allow in the place of ask"])
    return written


def _is_written_there(written: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Say whether a file has the rule that a person was shown, for the same nodes."""
    try:
        grant = written["grants"][told["peer"]]
        rule = grant["rules"][told["index"]]
        there = {
            "nodes": grant.get("nodes"),
            "ask": rule["ask"],
            "kind": rule.get("kind", "tools"),
            "when": rule.get("when", {}),
            "until": None if "until" not in rule else float(Until.from_config(rule["until"], "")),
        }
        # As text, since 1, 1.0 and true are equal otherwise.
        return canonical({name: told[name] for name in there}) == canonical(there)
    except (LookupError, TypeError, AttributeError, ValueError):
        return False


def _rename(entries: Any, tomlkit: Any) -> None:
    """Give the key ``ask`` the name ``allow``; its place and its comment stay."""
    for at, (key, item) in enumerate(entries):
        if key is not None and key.key == "ask":
            entries[at] = (tomlkit.key("allow"), item)


def _names(rule: Rule) -> list[str]:
    return [str(pattern) for pattern in rule.patterns]


def _pattern(text: str) -> str:
    return visible(text) if Glob(text).fixed is not None else f"like {visible(text)}"


def _value(value: JSON) -> str:
    """Return in words what a condition says."""
    if isinstance(value, str):
        return "anything" if value == ANYTHING else _pattern(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{visible(name)} is {_value(one)}" for name, one in value.items())
        return f"an object where {inner or 'nothing matters'}"
    if isinstance(value, Sequence):
        return " ".join(_list(value))
    return visible(value)


def _list(value: Sequence[JSON]) -> Iterator[str]:
    if not value:
        yield "an empty list"
        return
    rest = value[-1] == ANYTHING
    items = [
        " or ".join(map(_value, one)) if isinstance(one, list | tuple) else _value(one)
        for one in (value[:-1] if rest else value)
    ]
    yield f"a list of {', then '.join(items)}" if items else "any list"
    if rest and items:
        yield "and then anything"


def _toml(value: JSON) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{visible(str(name))} = {_toml(one)}" for name, one in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return visible(str(value) if isinstance(value, str) else value)
