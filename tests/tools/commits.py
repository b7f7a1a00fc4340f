"""Commits of this repository, unpacked and installed beside each other."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Commit", "clean_environment", "git", "install", "unpacked"]

ROOT = Path(__file__).parents[2]


@attrs.frozen
class Commit:
    """A commit, unpacked and installed.

    Attributes:
        tree: its files.
    """

    tree: Path

    @property
    def python(self) -> str:
        """The interpreter that has it installed."""
        return str(self.tree / ".venv" / "bin" / "python")


def clean_environment() -> dict[str, str]:
    """Return the environment without what would let one commit see the sources of another."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def git(*arguments: str) -> bytes:
    """Return what git prints."""
    return subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout


def install(revision: str, tree: Path, extra: str) -> Commit:
    """Unpack a commit and install it with one of its extras, in an environment of its own."""
    tree.mkdir()
    title = git("log", "-1", "--format=%h %s", revision).decode().strip()
    print(f"installing {tree.name}: {title}", file=sys.stderr, flush=True)
    archive = git("archive", "--format=tar", revision)
    subprocess.run(["tar", "-x"], cwd=tree, input=archive, check=True)
    subprocess.run([sys.executable, "-m", "venv", tree / ".venv"], check=True)
    commit = Commit(tree)
    words = f"-m pip install --quiet --disable-pip-version-check -c constraints.txt -e .[{extra}]"
    subprocess.run([commit.python, *words.split()], cwd=tree, env=clean_environment(), check=True)
    return commit


@contextlib.contextmanager
def unpacked(revisions: Mapping[str, str], *, extra: str) -> Iterator[dict[str, Commit]]:
    """Install commits by name, in folders whose paths are equally long if the names are."""
    with tempfile.TemporaryDirectory(prefix="cmx-commits-") as folder:
        yield {
            name: install(revision, Path(folder) / name, extra)
            for name, revision in revisions.items()
        }
