"""Every mistake of a configuration in one error, where a key of the core has one."""

from __future__ import annotations

import attrs
import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import Config, ConfigSection, option
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.testing.fixtures import SECRET


@attrs.frozen
class DiceConfig:
    most: int = option(default=10, doc="How many dice one node may ask for.")


class Dice:
    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("dice", DiceConfig)]


def test_the_core_the_tables_and_unknown_keys_are_named_together() -> None:
    told = {"node_id": 7, "secret": SECRET, "tag": [], "dice": {"most": "many"}}
    with pytest.raises(ConfigError) as caught:
        Node(Config.from_mapping(told), plugins=[Dice])
    problems = caught.value.problems
    assert [problem.partition(":")[0] for problem in problems] == ["node_id", "dice.most", "tag"]


def test_a_table_of_a_plugin_that_is_not_chosen_is_no_mistake() -> None:
    told = {"node_id": 7, "secret": SECRET, "mesh": {"listen": 1}}
    with pytest.raises(ConfigError) as caught:
        Node(Config.from_mapping(told), plugins=[])
    [problem] = caught.value.problems
    assert problem.startswith("node_id: ")
