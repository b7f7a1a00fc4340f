"""Tests of what plugins are tested with, partly in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import (
    MeshFactory,
    NodeFactory,
    free_port,
    run_command,
    wait_until,
)
from tests.core.loading.installer import Installer

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

CONFTEST = 'pytest_plugins = ["clawmatrix_core.testing"]\n'

FAULTS = """
import pytest
from clawmatrix_core import hookimpl

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

class Breaks:
    @hookimpl
    async def node_started(self):
        raise LookupError("no upstream")

async def test_unexpected(node_factory):
    async with node_factory("a", built_in=(), plugins=[Breaks]):
        pass

@pytest.mark.faults_expected
async def test_expected(node_factory):
    async with node_factory("a", built_in=(), plugins=[Breaks]):
        pass

async def test_missing_plugin(node_factory):
    async with node_factory("a", built_in=(), plugins=["no-such-plugin"]):
        pass
"""


ANNOTATIONS = """
from __future__ import annotations
import pytest
from clawmatrix_core import Frame, hookimpl

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

class Guesses:
    @hookimpl
    def frame_received(self, node, frame: bytes) -> bool:
        return False

class Knows:
    @hookimpl
    def frame_received(self, node, frame: Frame) -> bool:
        return False

@pytest.mark.parametrize("plugin", [Knows, Guesses])
async def test_it(plugin, node_factory):
    async with node_factory("a", plugins=[plugin]), node_factory("b", plugins=[plugin]):
        pass

@pytest.mark.annotations_unchecked
async def test_unchecked(node_factory):
    async with node_factory("a", built_in=(), plugins=[Guesses]):
        pass
"""


def run_pytest(folder: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)
    return ran.stdout


def test_a_fault_fails_the_test_unless_it_is_expected(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(FAULTS)
    output = run_pytest(tmp_path, "--strict-markers", "-W", "error", "-rA")
    assert "PASSED test_it.py::test_expected[asyncio]" in output
    assert "ERROR test_it.py::test_unexpected[asyncio]" in output
    assert "a: Breaks: 1: node_started: LookupError: no upstream" in output
    assert "ERROR test_it.py::test_missing_plugin[asyncio]" in output
    assert "no plugin of that name is installed" in output


def test_annotations_that_do_not_fit_fail_the_test_unless_it_says_otherwise(
    tmp_path: Path,
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(ANNOTATIONS)
    output = run_pytest(tmp_path, "--strict-markers", "-W", "error", "-rA")
    assert "3 passed, 1 error" in output
    assert "ERROR test_it.py::test_it[Guesses-asyncio]" in output
    line = "Guesses: frame_received(frame): annotated bytes, the hook gives Frame"
    assert f"annotations do not fit: {line}\n" in output


@pytest.mark.anyio
async def test_the_mesh_is_whole_when_it_is_handed_over(mesh: MeshFactory) -> None:
    async with mesh({"relay": [], "home": ["relay"], "office": ["relay"]}) as nodes:
        assert list(nodes) == ["relay", "home", "office"]
        home, office = nodes["home"], nodes["office"]
        assert home.reachable(office.id)
        assert home.routes[office.id].next_hop == "relay"


@pytest.mark.anyio
async def test_configuration_and_options_reach_the_node(node_factory: NodeFactory) -> None:
    config = {"tags": ["gpu"], "mesh": {"advertise": ["memory://elsewhere"]}}
    async with node_factory("a", config=config, watchdog=False) as node:
        assert node.config.tags == ("gpu",)
        own = node.directory.get(node.id)
        assert own is not None
        assert own.record.addresses == ("memory://elsewhere",)
    assert node_factory.made == [node]
    assert node_factory.faults() == []


@pytest.mark.anyio
async def test_installed_plugins_are_taken_by_name(
    mesh: MeshFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    Installer(tmp_path)("pigeons")
    built_in = ["mesh", "relay", "control", "pigeons"]
    async with mesh({"a": [], "b": ["a"]}, built_in=built_in) as nodes:
        for node in nodes.values():
            info = node.plugins.get("pigeons")
            assert info is not None
            assert (info.state, info.distribution) == ("active", "clawmatrix-pigeons")
            assert (await run_command(node, "status")).out.startswith(f"{node.id}  1/1 reachable")


@pytest.mark.anyio
async def test_plugins_given_as_classes_are_made_for_each_node(mesh: MeshFactory) -> None:
    class Own:
        @hookimpl
        async def node_started(self, node: Node) -> None: ...

    async with mesh({"a": [], "b": ["a"]}, plugins=[Own]) as nodes:
        infos = [node.plugins.get("Own") for node in nodes.values()]
        one, other = (info.plugin for info in infos if info is not None)
        assert isinstance(one, Own)
        assert one is not other


@pytest.mark.anyio
async def test_waiting_ends_with_the_condition_or_the_limit() -> None:
    await wait_until(lambda: True, limit=0.0)
    with pytest.raises(TimeoutError):
        await wait_until(lambda: False, limit=0.01)


def test_a_free_port_can_be_bound() -> None:
    assert 1024 < free_port() < 65536
