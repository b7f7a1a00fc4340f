"""Conditions on folders: those in no root, and denies that ``list`` and ``search`` get around."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from clawmatrix_core import is_node_id
from clawmatrix_grants.globs import ANYTHING, Glob
from clawmatrix_grants.warnings.entries import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_grants.config import GrantsConfig
    from clawmatrix_grants.tool_shapes import ToolShape
    from clawmatrix_grants.warnings.entries import Entry, Warned

__all__ = ["warn_of_folders", "warn_of_rootless"]

_PATHS: Final = ("path", "cwd")
"""Arguments that are ``ROOT/relative`` where a tool has roots."""
_CLASS: Final = re.compile(r"\[(!?)(.)[^]]*\]")


def warn_of_rootless(
    config: GrantsConfig, shapes: Sequence[ToolShape], now: float
) -> Iterator[Warned]:
    """Yield conditions that no path can meet, since it would be in no root."""
    for entry in entries_of(config, now):
        meant = [one for one in shapes if one.roots and _is_about(entry, one)]
        for argument in _PATHS:
            roots = {
                root
                for one in meant
                if one.arguments is None or argument in one.arguments
                for root in one.roots
            }
            if roots and (text := _text(entry, argument)):
                for why in _objections(text, sorted(roots)):
                    yield (*entry.path, "when", argument), why


def warn_of_folders(
    config: GrantsConfig, shapes: Sequence[ToolShape], now: float
) -> Iterator[Warned]:
    """Yield denies and asks on what a call with a folder above it shows all the same."""
    entries = list(entries_of(config, now))
    for entry in entries:
        if entry.effect == "allow" or not (text := _text(entry, "path")):
            continue
        beside = [one for one in entries if _concern_one(config, entry.table, one.table)]
        for shape in shapes:
            if shape.shows_below and _is_about(entry, shape):
                yield from _shown(entry, text, shape, beside)


def _shown(entry: Entry, text: str, shape: ToolShape, beside: Sequence[Entry]) -> Iterator[Warned]:
    about = [one for one in beside if _is_about(one, shape)]
    for other in about:
        if other.effect == "deny" or (entry.effect, other.effect) == ("ask", "ask"):
            continue
        found = _folder_above(
            text, shape.roots, other, [one for one in about if _holds_back(one, entry)]
        )
        if found is not None:
            named = (
                other.place if other.table == entry.table else f'{other.place} of "{other.table}"'
            )
            words = f'hides nothing: "{shape.name}" called with the folder "{found}" shows all'
            yield (*entry.path, "when", "path"), f"{words} below it, and {named} permits that"
            return


def _holds_back(entry: Entry, like: Entry) -> bool:
    """Say whether an entry does the same as another or more, whatever the other arguments."""
    return entry.effect in ("deny", like.effect) and set(entry.when) <= {"path"}


def _folder_above(
    text: str, roots: Sequence[str], allow: Entry, denies: Sequence[Entry]
) -> str | None:
    """Return a folder that may be called with, and that has denied paths below it."""
    allowed = _text(allow, "path") or ANYTHING
    for folder in [*_samples(text, roots), *_samples(allowed, roots)]:
        if (
            _reaches(text.split("/"), folder.split("/"))
            and Glob(allowed).matches(folder)
            and not any(Glob(_text(one, "path") or ANYTHING).matches(folder) for one in denies)
        ):
            return folder
    return None


def _samples(pattern: str, roots: Sequence[str]) -> list[str]:
    """Return folders on the way to what a pattern matches, with a name for each wildcard."""
    first, *rest = pattern.split("/")
    parts = [_sample(part) for part in rest if part != ANYTHING]
    starts = [root for root in roots if Glob(first).matches(root)]
    return ["/".join([start, *parts[:end]]) for end in range(len(parts) + 1) for start in starts]


def _sample(part: str) -> str:
    named = _CLASS.sub(lambda found: "_" if found[1] else found[2], part)
    return named.replace("*", "x").replace("?", "x")


def _reaches(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    """Say whether a pattern can match something below a folder."""
    if not folder or not pattern:
        return bool(pattern)
    if ANYTHING in pattern[0]:
        return folder[0].startswith(Glob(pattern[0]).prefix)
    return Glob(pattern[0]).matches(folder[0]) and _reaches(pattern[1:], folder[1:])


def _objections(text: str, roots: Sequence[str]) -> Iterator[str]:
    first, *rest = text.split("/")
    glob = Glob(first)
    if ANYTHING not in first and not any(glob.matches(root) for root in roots):
        told, named = first or f"/{rest[0]}", ", ".join(roots)
        yield f'no root is named "{told}": paths are ROOT/relative, and the roots are {named}'
    elif any(part in ("", ".", "..") for part in rest):
        yield f'"{text}" is no path: paths are ROOT/relative, without ".", ".." and spare slashes'


def _is_about(entry: Entry, shape: ToolShape) -> bool:
    return entry.kind == "tools" and not shape.name.endswith("*") and entry.names(shape.name)


def _text(entry: Entry, argument: str) -> str:
    """Return the text that an argument is compared with, "" where there is none."""
    condition = entry.when.get(argument)
    value = "" if condition is None else condition.value
    return value if isinstance(value, str) else ""


def _concern_one(config: GrantsConfig, table: str, other: str) -> bool:
    """Say whether two tables apply to one peer."""
    return table == other or bool(_peers(config, table) & _peers(config, other))


def _peers(config: GrantsConfig, table: str) -> set[str]:
    nodes = config.grants[table].nodes  # type: ignore[index]
    return {table} if is_node_id(table) or nodes is None else set(nodes)
