"""The core's checks: plugins, and the configuration that is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.config.config import Config
from clawmatrix_core.doctor.own_checks import OwnChecks, all_checks, examine, look_at_plugins
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.loading.contributions import Check, Finding
from clawmatrix_core.loading.plugin_info import PluginInfo
from clawmatrix_core.state.folder import StateFolder
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio


def own_checks_of(node: Node) -> list[Check]:
    return OwnChecks(node.plugins).register_checks(node.config, node)


async def found_by(checks: list[Check], name: str) -> list[Finding]:
    [check] = [one for one in checks if one.name == name]
    return list(await check.run())


def test_plugins_that_failed_are_missing_or_had_faults_are_named() -> None:
    infos = [
        PluginInfo("good", state="active"),
        PluginInfo("broken", state="failed", reason="did not start: ValueError: no"),
        PluginInfo("wanted", state="not installed", reason="needs x: pip install 'c[wanted]'"),
        PluginInfo("other", state="not installed", reason="needs y: pip install 'c[other]'"),
        PluginInfo("off", state="disabled", reason="disabled in the configuration"),
        PluginInfo("shaky", state="active", faults=2, last_fault="peer_changed: ValueError: no"),
    ]
    found = {one.name: one for one in look_at_plugins(infos, ["wanted"])}
    assert {name: one.status for name, one in found.items()} == {
        "plugin.broken": "problem",
        "plugin.wanted": "problem",
        "plugin.other": "warning",
        "plugin.shaky": "warning",
        "plugins": "ok",
    }
    assert found["plugins"].detail == "2 are active"
    assert found["plugin.wanted"].advice == (
        "run: pip install 'c[wanted]', or leave it out with `disable`"
    )
    assert "2 faults" in found["plugin.shaky"].detail


def test_plugins_that_wait_for_others_or_have_names_of_others_are_named() -> None:
    words = "route GET /x: a has it, that of b is left out"
    infos = [
        PluginInfo("model-proxy", state="active", waits_for=("http",), built_in=True),
        PluginInfo("a", state="active", collisions=(words,)),
        PluginInfo("b", state="active", collisions=(words,), waits_for=("http", "owls")),
    ]
    *found, _ = look_at_plugins(iter(infos), [])
    assert [(one.name, one.status, one.detail) for one in found] == [
        ("plugin.b", "warning", "waits for http, owls"),
        ("plugin.b", "warning", words),
    ]
    assert all(one.advice for one in found)


@pytest.mark.faults_expected
async def test_a_plugin_that_failed_in_a_running_node_is_found(node_factory: NodeFactory) -> None:
    class Broken:
        plugin_name = "broken"

        @hookimpl
        async def start_plugin(self) -> None:
            raise ValueError("no luck")

    async with node_factory("a", built_in=(), plugins=[Broken()]) as node:
        found = {one.name: one for one in await found_by(own_checks_of(node), "plugins")}
        assert found["plugin.broken"].status == "problem"
        assert "no luck" in found["plugin.broken"].detail


async def test_what_is_in_the_file_and_not_in_force_is_a_warning(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    path = tmp_path / "a.toml"
    good = f'node_id = "a"\nsecret = "{SECRET}"\n'
    path.write_text(good)
    path.chmod(0o600)
    async with node_factory("a", built_in=()) as node:
        [found] = await found_by(own_checks_of(node), "config")
        assert (found.status, found.detail) == ("skipped", "the configuration is from code")
        await node.reload(Config.load(path))
        [found] = await found_by(own_checks_of(node), "config")
        assert (found.status, found.detail) == ("ok", f"{path} is valid, and in force")
        path.write_text(f'tags = ["x"]\ndisable = ["http"]\n{good}')
        waiting = await found_by(own_checks_of(node), "config")
        assert [(one.status, one.advice) for one in waiting] == [
            ("warning", "clawmatrix reload"),
            ("warning", "restart the node"),
        ]
        assert node.config.tags == ()
        path.write_text(f"tag = 1\nlog = 2\n{good}")
        wrong = await found_by(own_checks_of(node), "config")
        assert [one.status for one in wrong] == ["problem", "problem"]
        assert "tag: unknown key" in wrong[1].detail


async def test_the_state_of_a_node_that_runs_is_written_in(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async def state_of(node: Node) -> tuple[str, str]:
        [found] = await found_by(own_checks_of(node), "state.folder")
        return found.status, found.detail

    async with node_factory("a", built_in=()) as node:
        assert await state_of(node) == ("skipped", "the state is in memory")
    with StateFolder(tmp_path) as state:
        async with node_factory("a", built_in=(), state=state) as node:
            assert await state_of(node) == ("ok", f"{tmp_path} can be written")
            await anyio.Path(tmp_path).chmod(0o777)
            assert (await state_of(node))[0] == "problem"


async def test_at_rest_folder_lock_and_files_are_looked_at(tmp_path: Path) -> None:
    raw = {"node_id": "a", "secret": SECRET, "state_dir": str(tmp_path)}
    config, registry = Config.from_mapping(raw), PluginRegistry()
    with StateFolder(tmp_path) as state:
        state.write("epoch", 1)
        (tmp_path / "trust.json").write_text("{}")
        (tmp_path / "trust.json").chmod(0o600)
        found = await found_by(OwnChecks(registry).register_checks(config, None), "state.folder")
    assert [(one.name, one.status) for one in found] == [
        ("state.folder", "ok"),
        ("state.lock", "problem"),
        ("state.files", "problem"),
    ]


async def test_the_checks_of_plugins_come_after_the_cores_own(node_factory: NodeFactory) -> None:
    async def look() -> list[Finding]:
        return []

    class Looking:
        @hookimpl
        def register_checks(self, node: Node | None) -> list[Check]:
            return [Check("running" if node is not None else "resting", look)]

    async with node_factory("a", built_in=(), plugins=[Looking()]) as node:
        running = all_checks(node.config, node.plugins, node)
        assert [one.name for one in running] == ["config", "plugins", "state.folder", "running"]
        assert [one.name for one in node.checks()] == ["running"]
        resting = all_checks(node.config, node.plugins)
        assert [one.name for one in resting] == ["plugins", "state.folder", "resting"]


async def test_all_checks_of_a_node_are_told_as_json(node_factory: NodeFactory) -> None:
    class Plugin:
        plugin_name = "quay"

        @hookimpl
        def register_checks(self) -> list[Check]:
            return [Check("quay", self.look)]

        async def look(self) -> list[Finding]:
            return [Finding("quay", "warning", "low water", "wait")]

    async with node_factory("a", built_in=(), plugins=[Plugin()]) as node:
        found = await examine(node)
    told = {"name": "quay", "status": "warning", "detail": "low water", "advice": "wait"}
    assert told in found
    assert {one["name"] for one in found} >= {"config", "plugins", "state.folder", "quay"}
