"""What the docs say of the options of a table: the parameters, and the example."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import clawmatrix_core
from clawmatrix_core import Config, ConfigError, ConfigSection, option

if TYPE_CHECKING:
    from pathlib import Path


def section(root: Path) -> str:
    text = (root / "docs" / "writing-plugins.md").read_text()
    [found] = re.findall(r"(?ms)^## Options\n(.*?)^## ", text)
    return str(found)


def test_the_parameters_are_those_of_the_function(root: Path) -> None:
    pattern = r"<!-- option parameters -->\n(.*?)\n<!-- end option parameters -->"
    [table] = re.findall(pattern, section(root), re.DOTALL)
    told = [row.split("|")[1].strip(" `") for row in table.splitlines()[2:]]
    assert sorted(told) == sorted(inspect.signature(option).parameters)


def test_the_example_can_be_read_from_a_table(root: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", section(root), re.DOTALL)
    names: dict[str, Any] = {"attrs": attrs, **vars(clawmatrix_core)}
    for name in ("option", "Secret", "Duration"):
        names[name] = getattr(clawmatrix_core, name)
    exec(compile(code, "options", "exec"), names)
    sections = [ConfigSection("loft", names["LoftConfig"])]
    core = {"node_id": "a", "secret": "s" * 40}
    right = Config.from_mapping({**core, "loft": {"key": "open", "rest": "5s"}})
    right.bind(sections)
    assert right.section(names["LoftConfig"]).perches == 8
    wrong = Config.from_mapping({**core, "loft": {"perches": 0, "names": [1]}})
    with pytest.raises(ConfigError) as caught:
        wrong.bind(sections)
    keys = [problem.partition(":")[0] for problem in caught.value.problems]
    assert keys == ["loft.key", "loft.perches", "loft.names[0]"]
