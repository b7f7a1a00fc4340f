"""What names of programs in rules on ``exec`` mean, found out when the table is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from clawmatrix_grants.conditions import Each, Matcher, Never, OneOf, Text, matcher_of
from clawmatrix_grants.globs import ANYTHING, Glob, literal
from clawmatrix_grants.programs import folders_of, resolve_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_grants.config import Effect

__all__ = ["Programs"]


class Programs:
    """Names of programs in rules, looked up in the folders that ``exec`` looks in.

    A bare name in an allow or an ask is the program that ``exec`` would run, and in a deny each
    program of that name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._folders = folders_of(path)
        self._found: dict[str, str | None] = {}

    def argv(self, effect: Effect, value: object) -> Matcher:
        """Return what a condition on ``argv`` means. The value was looked at before."""
        whole = matcher_of(value)
        if not isinstance(whole, Each) or not isinstance(value, list | tuple) or not whole.matchers:
            return whole
        first, rest = value[0], whole.matchers[1:]
        names = first if isinstance(first, list | tuple) else [first]
        programs = [one for name in names for one in self._program(effect, name)]
        program = programs[0] if len(programs) == 1 else OneOf(tuple(programs))
        return attrs.evolve(whole, matchers=(program, *rest))

    def _program(self, effect: Effect, name: object) -> Iterator[Matcher]:
        if not isinstance(name, str) or name.startswith(ANYTHING):
            yield matcher_of(name)
        elif "/" in name:
            yield from map(matcher_of, dict.fromkeys((name, self._followed(name))))
        elif effect == "deny":
            yield matcher_of(f"{ANYTHING}/{name}")
        elif Glob(name).fixed is None:
            yield from (matcher_of(f"{literal(folder)}/{name}") for folder in self._folders)
        else:
            found = self._find(name)
            yield Never() if found is None else Text(Glob(literal(found)))

    def _followed(self, pattern: str) -> str:
        """Return a whole path with the links of its folders followed, where they are fixed."""
        folder, name = os.path.split(pattern)
        fixed = Glob(folder).fixed
        if fixed is None or not os.path.isabs(fixed):
            return pattern
        return f"{literal(os.path.realpath(fixed)).rstrip('/')}/{name}"

    def _find(self, name: str) -> str | None:
        if name not in self._found:
            try:
                self._found[name] = resolve_program(Glob(name).fixed or name, self._path)
            except (LookupError, ValueError):
                self._found[name] = None
        return self._found[name]
