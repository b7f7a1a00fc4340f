"""What a docstring of Google's style says: the description, and a line for each argument."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["described"]

_SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Example|Examples|Note):", re.M)
_ARGUMENT = re.compile(r"^ {1,8}(\w[\w, ]*?)(?: \([^)]*\))?: *(.*)$")


def described(function: Callable[..., object]) -> tuple[str, Mapping[str, str]]:
    """Return the description of a function, and that of each of its arguments."""
    text = inspect.getdoc(function) or ""
    found = _SECTION.search(text)
    description = text if found is None else text[: found.start()]
    return description.strip(), _arguments(text)


def _arguments(text: str) -> Mapping[str, str]:
    match = re.search(r"^Arg(?:ument)?s:[ \t]*\n((?:[ \t]+.*\n?|\n)*)", text, re.M)
    found: dict[str, str] = {}
    names: list[str] = []
    depth = 0
    for line in match.group(1).splitlines() if match is not None else ():
        indent = len(line) - len(line.lstrip())
        begins = _ARGUMENT.match(line)
        if begins is not None and (not depth or indent <= depth):
            depth = indent
            names = [name.strip() for name in begins.group(1).split(",")]
            found |= dict.fromkeys(names, begins.group(2).strip())
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found
