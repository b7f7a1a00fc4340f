"""A newcomer with a clean Debian gets to the first answer by the README alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_model_proxy.demo.embedded_answer import compute
from tests.integration.conftest import wait_for
from tests.newcomer.newcomer import Newcomer, path_in
from tests.newcomer.readme import WAYS, Readme
from tests.newcomer.userland import Userland, make_userland
from tests.trouble.conftest import Site, net

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["net"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]
HAVE_UV = (
    "apt install python3-venv && python3 -m venv /opt/uv && /opt/uv/bin/pip install uv"
    " && ln -sf /opt/uv/bin/uv /usr/local/bin/uv"
)
"""Debian has no package of uv; who installs by it has it."""
UP = {"relay": "node relay is up", "office": "node office is up"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT)
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    [built] = folder.glob("*.whl")
    folder.chmod(0o755)  # the users in there read it
    built.chmod(0o644)
    return built


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def userland(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Userland]:
    folder = tmp_path_factory.mktemp(request.param)
    try:
        made = make_userland(request.param, folder, wheel)
        made.as_root("apt-get update")
        yield made
    finally:
        shutil.rmtree(folder)  # a gigabyte; what was mounted in there went with its commands


@pytest.fixture(params=["a venv", "pipx", "uv"])
def way(request: pytest.FixtureRequest) -> str:
    """Return a way to install; the first one finds Debian as it is."""
    assert set(WAYS) == {"a venv", "pipx", "uv"}
    return str(request.param)


@pytest.fixture
def pair(net: Site, userland: Userland, way: str) -> Iterator[tuple[Newcomer, Newcomer]]:
    """Return the users of two machines."""
    suffix = WAYS.index(way)
    relay = Newcomer(userland, net.machine("relay"), f"relay{suffix}")
    office = Newcomer(userland, net.machine("office"), f"office{suffix}")
    office.machine.knows({"relay.example": (net.lan.address("relay"),)})
    net.upstream(office.machine)
    yield relay, office
    for one in (office, relay):
        one.stop()


def install(newcomer: Newcomer, way: str) -> None:
    for command in Readme.ways()[way]:
        if command.startswith("export "):
            newcomer.keeps(command)
        elif command.startswith("uv "):
            newcomer.userland.as_root(HAVE_UV)
            newcomer.does(command)
        else:
            newcomer.does(command)


def test_the_readme_leads_to_the_first_answer(pair: tuple[Newcomer, Newcomer], way: str) -> None:
    relay, office = pair
    readme = Readme.read()
    for one in pair:
        install(one, way)
    init, run = readme.after_install(readme.first)
    path_in(relay.does(init))
    relay.begins(run, UP["relay"])
    token = relay.does(readme.invite).strip()
    [join] = readme.after_install(readme.second)
    if way == "uv":
        joined = office.does("clawmatrix join -", given=token)
    else:
        joined = office.types(join, token, after="Invitation:")
        assert token not in joined
    office.does(f"cat >> {path_in(joined)}", given=f"\n{readme.model}")
    office.begins(run, UP["office"])
    wait_for(lambda: "qwen3" in relay.does("clawmatrix models"), "relay sees the model", 30)
    *environment, python = readme.environment
    for command in environment:
        relay.does(command)
    looks = "\n".join(readme.looks)
    program = f"{python} - <<'END'\n{readme.program}END"
    printed = relay.does(f"set -e\n{looks}\n{program}")
    said = {"messages": [{"role": "user", "content": "Hello"}]}
    assert compute(said).text in printed
    assert "office: direct" in printed
