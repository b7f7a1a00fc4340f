"""A node that is given another configuration while it runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

from clawmatrix_core.base.errors import ConfigError, LocalProtocolError
from clawmatrix_core.base.redaction import redact
from clawmatrix_core.config.config import Config, ConfigSection, option
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, reload

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clawmatrix_core.config.changes import Changes
    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio

NEW = "another secret of a mesh that exists in tests only"


@attrs.frozen
class LoftConfig:
    address: str = option(default="roof", doc="Where it is.")
    names: tuple[str, ...] = option(default=(), doc="Who lives there.", reload=True)


class Loft:
    """A plugin with one key that reloads and one that does not."""

    plugin_name = "loft"

    def __init__(self) -> None:
        self.told: list[tuple[frozenset[str], LoftConfig]] = []
        self.entered = 0
        self.when_entered: Callable[[], object] = int

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("loft", LoftConfig)]

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        self.entered += 1
        assert self.entered == 1, "two reloads at the same time"
        self.when_entered()
        await anyio.lowlevel.checkpoint()
        self.told.append((changed, node.config.section(LoftConfig)))
        self.entered -= 1


def config(**raw: Any) -> Config:
    return Config.from_mapping({"node_id": "a", "secret": SECRET, **raw})


async def test_hook_config_changed(node_factory: NodeFactory) -> None:
    loft = Loft()
    async with node_factory("a", built_in=(), plugins=[loft]) as node:
        loft_changes = {"names": ["ann"], "address": "tower"}
        changes = await reload(node, {"tags": ["x"], "loft": loft_changes})
        assert changes.reloaded == {"tags", "loft.names"}
        assert changes.restart == {"loft.address"}
        assert loft.told == [(changes.reloaded, LoftConfig(names=("ann",)))]
        assert node.config.tags == ("x",)


async def test_nothing_is_told_where_nothing_can_be_in_force(node_factory: NodeFactory) -> None:
    loft = Loft()
    heard: list[object] = []
    async with node_factory("a", built_in=(), plugins=[loft]) as node:
        node.when_reloaded(heard.append)
        assert (await node.reload(config())).reloaded == frozenset()
        assert (await node.reload(config(loft={"address": "tower"}))).restart == {"loft.address"}
        assert loft.told == heard == []


async def test_a_wrong_configuration_changes_nothing_and_names_every_mistake(
    node_factory: NodeFactory,
) -> None:
    loft = Loft()
    async with node_factory("a", built_in=(), plugins=[loft]) as node:
        before = node.config
        with pytest.raises(ConfigError) as caught:
            await node.reload(
                Config.from_mapping(
                    {"node_id": "a", "secret": "short", "tags": 1, "loft": {"name": []}}
                )
            )
        paths = sorted(problem.partition(":")[0] for problem in caught.value.problems)
        assert paths == ["loft.name", "secret", "tags"]
        assert node.config is before
        assert loft.told == []


async def test_another_secret_is_in_force_at_once_and_stays_out_of_logs(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("a", built_in=()) as node:
        told: list[int] = []
        node.keyring.when_changed(lambda: told.append(len(node.keyring.psks)))
        changes = await node.reload(config(secret=NEW, previous_secrets=[SECRET]))
        assert changes.reloaded == {"secret", "previous_secrets"}
        assert told == [2]
        assert NEW not in redact(f"it is {NEW}")


async def test_who_stops_waiting_for_a_reload_leaves_no_plugin_untold(
    node_factory: NodeFactory,
) -> None:
    loft = Loft()
    async with node_factory("a", built_in=(), plugins=[loft]) as node:
        with anyio.CancelScope() as asking:
            loft.when_entered = asking.cancel
            await node.reload(config(loft={"names": ["ann"]}))
        assert [told for _, told in loft.told] == [LoftConfig(names=("ann",))]


async def test_reloads_come_one_after_another(node_factory: NodeFactory) -> None:
    loft = Loft()
    outcomes: list[Changes] = []
    async with node_factory("a", built_in=(), plugins=[loft]) as node:

        async def reload(name: str) -> None:
            outcomes.append(await node.reload(config(loft={"names": [name]})))

        async with anyio.create_task_group() as tasks:
            for name in ("ann", "bob", "cid"):
                tasks.start_soon(reload, name)
        assert len(loft.told) == len(outcomes) == 3
        assert node.config.section(LoftConfig) == loft.told[-1][1]


@pytest.mark.faults_expected
async def test_a_plugin_that_fails_to_take_it_over_is_named_in_the_answer(
    node_factory: NodeFactory,
) -> None:
    class Broken:
        plugin_name = "broken"

        @hookimpl
        async def config_changed(self) -> None:
            raise ValueError("no room")

    loft = Loft()
    async with node_factory("a", built_in=(), plugins=[loft, Broken()]) as node:
        changes = await node.reload(config(loft={"names": ["ann"]}))
        assert changes.faults == ("broken: config_changed: ValueError: no room",)
        assert len(loft.told) == 1


async def test_the_file_is_read_again_where_none_is_handed_in(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "clawmatrix.node")
    path = tmp_path / "a.toml"
    path.write_text(f'node_id = "a"\nsecret = "{SECRET}"\n')
    path.chmod(0o600)
    async with node_factory("a", built_in=()) as node:
        await node.reload(Config.load(path))
        path.write_text(f'tags = ["x"]\ndisable = ["http"]\n{path.read_text()}')
        changes = await node.reload()
        assert changes.reloaded == {"tags"}
        assert changes.restart == {"disable"}
        path.write_text("tags = ")
        with pytest.raises(ConfigError, match=r"a\.toml: Invalid value"):
            await node.reload()
        assert node.config.tags == ("x",)
    assert "reloaded: tags" in caplog.messages
    assert "the configuration has changes that need a restart: disable" in caplog.messages


async def test_a_configuration_from_code_has_no_file_to_read_again(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("a", built_in=()) as node:
        with pytest.raises(LocalProtocolError, match="from code"):
            await node.reload()


async def test_a_node_that_does_not_run_cannot_reload(node_factory: NodeFactory) -> None:
    node = node_factory("a", built_in=())
    with pytest.raises(LocalProtocolError, match="does not run"):
        await node.reload(config())
    async with node:
        node.stop()
        with pytest.raises(LocalProtocolError, match="does not run"):
            await node.reload(config())
