"""Programs of others before the mesh, each in a home folder of its own, and on loopback only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.sdk.clients.tried import Tried
from tests.sdk.conftest import NODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sdk.conftest import Mesh

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[2] / ".clients"
PYTHON = ENVIRONMENTS / "venv" / "bin"
PROGRAMS = HERE / "programs"
DOCS = HERE.parents[2] / "docs" / "clients.md"
DOCUMENTED_ROOT = "http://127.0.0.1:19100"
PACKAGES = HERE / "node_modules"
SECRET_WORD = "the secret word is heron"
FILE = "note.txt"
QUESTION = f"what is in the file {FILE}"
ROUTES = Path("/proc/net/route")


@attrs.frozen
class Place:
    """Where a program runs, and what it is told by its environment."""

    home: Path
    work: Path
    mesh: Mesh

    @property
    def root(self) -> str:
        """Return the address of the node as Anthropic's clients want it."""
        return self.mesh.url.removesuffix("/v1")

    def run(self, *command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; it sees these variables, and none of ours."""
        own = {"PATH": f"{NODE.parent}:/usr/bin:/bin", "HOME": str(self.home), "TERM": "dumb"}
        return subprocess.run(
            list(map(str, command)),
            cwd=self.work,
            env=own | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def report(self, environment: str, program: str, *arguments: str) -> dict[str, Any]:
        """Run a program of ours in a client's environment; return what it reports of its uses."""
        if program.endswith(".mjs"):
            folder = ENVIRONMENTS / "npm" / environment
            for file in ("reporting.mjs", program):  # imports are looked for beside the file
                shutil.copy(PROGRAMS / file, folder)
            command: tuple[str | Path, ...] = (NODE, folder / program)
        else:
            command = (ENVIRONMENTS / "python" / environment / "bin/python", PROGRAMS / program)
        told = {"URL_OF_NODE": self.mesh.url, "TOKEN": self.mesh.token}
        done = self.run(*command, *arguments, **told)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def documented(place: Place, client: str, language: str, model: str) -> str:
    """Return the first block of a client's set-up in the documentation, made true for a place."""
    section = DOCS.read_text().split(f"\n## {client}\n")[1].split("\n## ")[0]
    block = section.split(f"```{language}\n")[1].split("```")[0]
    here = {DOCUMENTED_ROOT: place.root, "TOKEN": place.mesh.token, "qwen3": model}
    words = "|".join(rf"(?<!_){word}\b" for word in here)
    return re.sub(words, lambda found: here[found[0]], block)


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> None:
    """See to it that what these programs do besides cannot reach anybody."""
    if not ROUTES.is_file() or len(ROUTES.read_text().splitlines()) > 1:
        pytest.fail("these run where there is only loopback: `make clients` does that, on Linux")


@pytest.fixture
def place(mesh: Mesh, tmp_path: Path) -> Place:
    """Make an empty home folder, and a folder to work in with one file."""
    place = Place(tmp_path / "home", tmp_path / "work", mesh)
    place.home.mkdir()
    place.work.mkdir()
    (place.work / FILE).write_text(f"{SECRET_WORD}\n")
    return place


@pytest.fixture(scope="session")
def tried() -> Iterator[Tried]:
    """Gather what the clients did, for the tables of the documentation."""
    with Tried.kept(ENVIRONMENTS / "tried.json") as tried:
        yield tried
