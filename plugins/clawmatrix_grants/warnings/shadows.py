"""Rules that never decide, since they have ended, concern nobody, or another one goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_grants.config import PATHS
from clawmatrix_grants.globs import ANYTHING
from clawmatrix_grants.warnings.entries import entries_of, speak_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_grants.config import Effect, GrantsConfig
    from clawmatrix_grants.warnings.entries import Entry, Warned

__all__ = ["warn_of_ended", "warn_of_nobody", "warn_of_shadows"]

_STRONGER: dict[Effect, tuple[Effect, ...]] = {"allow": ("deny", "ask"), "ask": ("deny",)}
_DOES: dict[Effect, str] = {"deny": "denies", "ask": "asks for"}


def warn_of_ended(config: GrantsConfig, now: float) -> Iterator[Warned]:
    """Yield the rules whose time is over."""
    for name, grant in config.grants.items():
        for number, rule in enumerate(grant.rules):
            if rule.until is not None and rule.until <= now:
                yield (name, "rules", number), f"ended at {rule.until}, and decides nothing"


def warn_of_nobody(config: GrantsConfig) -> Iterator[Warned]:
    """Yield the groups without members."""
    for name, grant in config.grants.items():
        if grant.nodes == ():
            yield (name, "nodes"), "is empty: the rules of this group decide nothing"


def warn_of_shadows(config: GrantsConfig, now: float) -> Iterator[Warned]:
    """Yield what never decides, and conditions that hold nobody back."""
    entries = list(entries_of(config, now))
    plain = [entry for entry in entries if not entry.when]
    for entry in entries:
        tables = speak_for(config, entry.table)
        beside = [one for one in plain if one.table in tables and one.lasts_as_long_as(entry)]
        yield from _shadowed(entry, beside)
        if entry.effect == "allow" and entry.when:
            yield from _idle(entry, beside)


def _shadowed(entry: Entry, beside: Sequence[Entry]) -> Iterator[Warned]:
    for pattern in entry.patterns:
        for effect in _STRONGER.get(entry.effect, ()):
            other = _covering(entry, pattern, [one for one in beside if one.effect == effect])
            if other is not None:
                whatever = " whatever the arguments" if entry.kind == "tools" else ""
                words = f"{_named(other, entry)} {_DOES[effect]} it{whatever}"
                yield entry.path, f'"{pattern}" never decides: {words}'
                break


def _idle(entry: Entry, beside: Sequence[Entry]) -> Iterator[Warned]:
    for pattern in entry.patterns:
        other = _covering(entry, pattern, [one for one in beside if one.effect == "allow"])
        if other is not None:
            words = f"{_named(other, entry)} allows it whatever the arguments"
            yield entry.path, f'the conditions on "{pattern}" hold nobody back: {words}'


def _covering(entry: Entry, pattern: str, others: Sequence[Entry]) -> Entry | None:
    found = (one for one in others if one.kind == entry.kind and _covers(one, pattern))
    return next(found, None)


def _covers(entry: Entry, pattern: str) -> bool:
    """Say whether an entry is about all that a pattern stands for; False where that is not sure."""
    fixed = entry.glob(pattern).fixed
    return any(
        wide == pattern
        or (fixed is not None and entry.glob(wide).matches(fixed))
        or _is_beginning(entry, wide, pattern)
        for wide in entry.patterns
    )


def _is_beginning(entry: Entry, wide: str, pattern: str) -> bool:
    """Say whether a pattern is a fixed text with anything behind it, and the other begins so."""
    end = ANYTHING if entry.kind in PATHS else "*"
    head = wide.rstrip("*")
    plain = entry.glob(head).fixed == head if head else True
    return wide == head + end and plain and pattern.startswith(head)


def _named(other: Entry, entry: Entry) -> str:
    return other.place if other.table == entry.table else f'{other.place} of "{other.table}"'
