"""Every mistake of a configuration in one error, where a key of the core has one."""

from __future__ import annotations

from typing import Any

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


def test_an_unknown_key_at_the_top_is_named_before_the_node_is_entered() -> None:
    told = {"node_id": "here", "secret": SECRET, "tagz": ["gpu"], "dice": {"most": "many"}}
    with pytest.raises(ConfigError) as caught:
        Node(Config.from_mapping(told), plugins=[Dice])
    [dice, tagz] = caught.value.problems
    assert dice.startswith("dice.most: ")
    assert tagz == 'tagz: unknown key (did you mean "tags"?)'


def test_a_plugin_that_is_not_there_is_named_with_them() -> None:
    told = {"node_id": "here", "secret": SECRET, "plugins": ["dicee"], "tagz": ["gpu"]}
    with pytest.raises(ConfigError) as caught:
        Node(Config.from_mapping(told))
    [plugin, tagz] = caught.value.problems
    assert plugin.startswith('plugins: "dicee": no plugin of that name is installed')
    assert tagz.startswith("tagz: unknown key")


@pytest.mark.parametrize("plugins", ["mesh", {"mesh": True}])
def test_a_text_in_the_place_of_a_list_of_plugins_is_an_error(plugins: Any) -> None:
    config = Config.from_mapping({"node_id": "here", "secret": SECRET})
    with pytest.raises(TypeError, match=f"^plugins is a {type(plugins).__name__}, not a list$"):
        Node(config, plugins=plugins)


def test_an_unknown_table_waits_for_the_plugins_that_may_have_it() -> None:
    told = {"node_id": "here", "secret": SECRET, "dices": {"most": 3}}
    assert Node(Config.from_mapping(told), plugins=[Dice]).epoch == 0
