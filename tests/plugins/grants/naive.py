"""The grants once more, written apart from the plugin: plain, slow, and from the table as it is.

It reads the table as TOML has it. A pattern is compared character by character, and all rules are
looked at one after another.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["decide", "matches"]

KINDS = {
    "tools": "tool",
    "agents": "agent",
    "models": "model",
    "workspaces": "workspace",
    "resources": "resource",
}
Told = bool | None
"""Whether a condition holds; None where that cannot be told."""


# --- patterns


def matches(pattern: str, text: str, *, paths: bool) -> bool:
    """Say whether a text matches, by trying every way."""
    if paths:
        return _folders(tuple(pattern.split("/")), tuple(text.split("/")))
    return _characters(tuple(_tokens(pattern)), text)


def _folders(pattern: tuple[str, ...], text: tuple[str, ...]) -> bool:
    if not pattern:
        return not text
    first, *rest = pattern
    if first == "**":
        return any(_folders(tuple(rest), text[at:]) for at in range(len(text) + 1))
    for taken in range(1, len(text) + 1) if "**" in first else (1,):
        if len(text) < taken:
            continue
        joined = "/".join(text[:taken])
        if _characters(tuple(_tokens(first)), joined, keep=True) and _folders(
            tuple(rest), text[taken:]
        ):
            return True
    return False


def _tokens(pattern: str) -> Iterator[str]:
    at = 0
    while at < len(pattern):
        end = at + 1
        if pattern[at] == "[":
            end += pattern[end : end + 1] == "!"
            end += pattern[end : end + 1] == "]"
            end = pattern.index("]", end) + 1
        elif pattern[at] == "*":
            while pattern[end : end + 1] == "*":
                end += 1
        yield pattern[at:end]
        at = end


@lru_cache(maxsize=100_000)
def _characters(tokens: tuple[str, ...], text: str, keep: bool = False) -> bool:
    """``keep`` says that only ``**`` stands for a slash."""
    if not tokens:
        return not text
    first, rest = tokens[0], tokens[1:]
    if first[0] == "*":
        for at in range(len(text) + 1):
            if keep and first == "*" and "/" in text[:at]:
                return False
            if _characters(rest, text[at:], keep):
                return True
        return False
    if not text or not _one(first, text[0], keep):
        return False
    return _characters(rest, text[1:], keep)


def _one(token: str, character: str, keep: bool) -> bool:
    if keep and character == "/":
        return False
    if token == "?":
        return True
    if token[0] != "[":
        return token == character
    inside = token[1:-1]
    negated = inside[:1] == "!"
    return _in_class(inside[negated:], character) != negated


def _in_class(inside: str, character: str) -> bool:
    at = 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            if inside[at] <= character <= inside[at + 2]:
                return True
            at += 3
        else:
            if inside[at] == character:
                return True
            at += 1
    return False


# --- conditions


def _leads_elsewhere(text: str) -> bool:
    parts = text.split("/")
    empty = any(
        part == "" and not (at > 0 and parts[at - 1].endswith(":"))
        for at, part in enumerate(parts[1:-1], 1)
    )
    return empty or "." in parts or ".." in parts


def _all(told: Sequence[Told]) -> Told:
    if False in told:
        return False
    return None if None in told else True


def holds(pattern: Any, value: Any) -> Told:
    """Say whether an argument is as a condition has it."""
    if value is None:
        return None
    if pattern == "**":
        return True
    if isinstance(pattern, str):
        return _text_holds(pattern, value)
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return None
        return _all([holds(one, value.get(key)) for key, one in pattern.items()])
    if isinstance(pattern, list):
        return _list_holds(pattern, value)
    if isinstance(value, str | list | dict) or isinstance(value, bool) != isinstance(pattern, bool):
        return None
    return bool(value == pattern)


def _text_holds(pattern: str, value: Any) -> Told:
    if not isinstance(value, str):
        return None
    plainly = not any(magic in pattern for magic in "*?[") and pattern == value
    if "/" in pattern and _leads_elsewhere(value):
        return True if plainly else None
    return matches(pattern, value, paths=True)


def _list_holds(pattern: list[Any], value: Any) -> Told:
    if not isinstance(value, list):
        return None
    rest = bool(pattern) and pattern[-1] == "**"
    wanted = pattern[:-1] if rest else pattern
    if len(value) < len(wanted) or (len(value) > len(wanted) and not rest):
        return False
    return _all([_item_holds(one, item) for one, item in zip(wanted, value, strict=False)])


def _item_holds(pattern: Any, item: Any) -> Told:
    if not isinstance(pattern, list):
        return holds(pattern, item)
    told = [holds(one, item) for one in pattern]
    if True in told:
        return True
    return False if False in told else None


# --- decisions


def decide(
    table: Mapping[str, Any],
    peer: str,
    sure: Mapping[str, bool],
    action: str,
    target: str,
    arguments: Mapping[str, Any] | None,
    now: float,
) -> str | None:
    """Return allow, ask or deny; None where the table leaves it to others.

    ``sure`` says of each table whether it counts for the key that was shown. The tool ``exec`` is
    left out: see the tests of programs.
    """
    found = set()
    for name, grant in table.items():
        if not _is_for(name, grant, peer):
            continue
        for effect, kind, patterns, when, until in _entries(grant):
            if KINDS[kind] != action or (until is not None and until.timestamp() <= now):
                continue
            paths = kind in ("workspaces", "resources")
            if not any(matches(pattern, target, paths=paths) for pattern in patterns):
                continue
            if effect != "deny" and not sure[name]:
                continue
            told = _passes(effect, when, arguments)
            if told is True or (told is None and effect == "deny"):
                found.add(effect)
            elif told is None and effect == "ask":
                found.add("doubt")
    if {"doubt", "allow"} <= found:
        found.add("ask")
    for effect in ("deny", "ask", "allow"):
        if effect in found:
            return effect
    return None if action == "model" else "deny"


def _is_for(name: str, grant: Mapping[str, Any], peer: str) -> bool:
    if name == "*":
        return peer != "@local"
    if name.startswith("@") and name != "@local":
        return peer in grant["nodes"]
    return name == peer


def _entries(grant: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str], dict[str, Any], Any]]:
    for kind in KINDS:
        yield "allow", kind, grant.get(kind, []), {}, None
    for rule in grant.get("rules", []):
        for effect in ("allow", "ask", "deny"):
            if effect in rule:
                kind = rule.get("kind", "tools")
                yield effect, kind, rule[effect], rule.get("when", {}), rule.get("until")


def _passes(effect: str, when: Mapping[str, Any], arguments: Mapping[str, Any] | None) -> Told:
    if not when:
        return True
    if arguments is None:
        return effect != "deny"
    return _all([holds(pattern, arguments.get(name)) for name, pattern in when.items()])
