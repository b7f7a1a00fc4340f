"""Mistakes in a configuration, each with the path it stands at."""

from __future__ import annotations

import collections.abc
import difflib
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.config.words import format_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Set

__all__ = ["Problem", "Problems", "shared_problems", "without"]


@attrs.frozen
class Problem:
    """One mistake. ``candidates`` are the keys that exist, where an unknown one was met."""

    path: tuple[str | int, ...]
    message: str
    candidates: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{format_path(self.path)}: {self.message}{self._suggestion()}"

    def _suggestion(self) -> str:
        if self.candidates is None:
            return ""
        near = difflib.get_close_matches(str(self.path[-1]), self.candidates, n=1)
        return f' (did you mean "{near[0]}"?)' if near else ""


class Problems(Exception):
    """The mistakes found in one value."""

    def __init__(self, found: Iterable[Problem]) -> None:
        super().__init__()
        self.found = tuple(found)

    @classmethod
    def here(cls, message: str) -> Problems:
        """Return one mistake, of the value itself."""
        return cls((Problem((), message),))

    def under(self, step: str | int) -> Iterator[Problem]:
        """Yield the same mistakes as seen from one level further up."""
        return (attrs.evolve(problem, path=(step, *problem.path)) for problem in self.found)


def shared_problems(found: Collection[Collection[Problem]]) -> list[Problem]:
    """Return the mistakes in a table that several classes were read from.

    A key is unknown where it is unknown to all of them; every other mistake counts.
    """
    candidates: dict[tuple[str | int, ...], list[tuple[str, ...]]] = {}
    others: dict[tuple[str | int, ...], Problem] = {}
    for problem in (problem for problems in found for problem in problems):
        if problem.candidates is None:
            others.setdefault(problem.path, problem)
        else:
            candidates.setdefault(problem.path, []).append(problem.candidates)
    unknown = [
        Problem(path, "unknown key", tuple(name for names in lists for name in names))
        for path, lists in candidates.items()
        if len(lists) == len(found)
    ]
    return [*others.values(), *unknown]


def without(value: object, paths: Set[tuple[str | int, ...]], at: tuple[Any, ...] = ()) -> object:
    """Return the value without what stands at the paths."""
    if isinstance(value, collections.abc.Mapping):
        return {
            key: without(item, paths, (*at, key))
            for key, item in value.items()
            if (*at, key) not in paths
        }
    if isinstance(value, (list, tuple)):
        return [without(item, paths, (*at, index)) for index, item in enumerate(value)]
    return value
