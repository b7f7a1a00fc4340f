"""Phrases that have to be read twice; ``python -m tests.tools.idioms`` lists them.

``make lint`` runs it. A pattern here names a phrase that this project wrote more than once and has
replaced. Add one when a reader stops at a phrase, and mend all places where it stands.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["IDIOMS", "found_in", "idioms"]

IDIOMS = {
    r"that (?:is|are) none\b": "say what it is instead: malformed, unknown, no address",
    r"\b(?:is|are) none of\b": "write `is not one of`",
    r"\bwhat is due\b": "name the thing that is due: a timer, a message",
    r"\bwho has (?:the )?most\b": "name the noun: the peer with the most sessions",
    r"\bwhose the\b": "write `the owner of the`",
    r"\bit is as if\b": "say what happens",
    r"\bthose of who\b": "name the noun",
    r"\b(?:of|from|than) who\b": "name the noun: the sender, the owner, the caller",
    r"\bfor who\b(?! in\b)": "name the noun: the caller, the reader",
    r"\bnone may\b": "write `no NOUN may`",
    r"[\"(]by what\b": "name the quantity: the factor, the number of seconds",
}
"""Regular expressions of phrases, and what to write instead."""

_KINDS = {".md", ".py", ".toml"}
_ABOUT_IDIOMS = {"tests/tools/idioms.py", "tests/tools/test_idioms.py"}


def found_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line number of each idiom in a text, the phrase, and the advice."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, advice in IDIOMS.items():
            for match in re.finditer(pattern, line, re.IGNORECASE):
                yield number, match[0], advice


def idioms(root: Path, names: Iterable[str]) -> list[str]:
    """Return a line for each idiom in the files of these names, which count from the root."""
    return [
        f"{name}:{number}: {phrase!r}: {advice}"
        for name in names
        if Path(name).suffix in _KINDS and name not in _ABOUT_IDIOMS and (root / name).is_file()
        for number, phrase, advice in found_in((root / name).read_text(encoding="utf-8"))
    ]


def main() -> int:
    """Look through all files of the repository, and return 1 where there is an idiom."""
    root = Path(__file__).parents[2]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    found = idioms(root, filter(None, listed.split("\0")))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
