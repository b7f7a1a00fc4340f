"""What the tests of the contract look at: the repository itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the repository."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def everyday(request: pytest.FixtureRequest, root: Path) -> Callable[[Collection[str]], list[str]]:
    """Return what gives the ids of the tests that ``make test`` runs in some files and folders.

    ``make test`` itself has collected them. Any other run collects them in a process of its own.
    """
    options, places = request.config.option, [Path(one) for one in request.config.args]
    is_it = (options.markexpr, options.loops, options.keyword) == ("not slow", "smoke", "")
    here = [item.nodeid for item in request.session.items]
    if is_it and [root / place for place in places] == [root / "tests"]:
        return lambda wanted: [name for name in here if name.startswith(tuple(wanted))]
    return lambda wanted: _collected(root, wanted)


def _collected(root: Path, wanted: Collection[str]) -> list[str]:
    options = ("--collect-only", "-q", "-m", "not slow", "-p", "no:xdist")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *wanted],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        timeout=110,
    )
    return [line for line in ran.stdout.splitlines() if "::" in line]
