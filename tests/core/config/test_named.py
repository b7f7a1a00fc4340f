"""Classes of tables that are named, and imported when they are wanted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.changes import Changes
from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.config.named import is_loaded, load_class

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = "tests.core.config.named_tables"
NAME = f"{MODULE}:Attic"


@pytest.fixture(autouse=True)
def unimported() -> Iterator[None]:
    sys.modules.pop(MODULE, None)
    yield
    sys.modules.pop(MODULE, None)


def config(**raw: object) -> Config:
    made = Config.from_mapping({"node_id": "a", "secret": "s" * 40, **raw})
    made.bind([ConfigSection("attic", NAME, check=lambda table, _: [(("size",), f"{table.size}")])])
    return made


def test_nothing_is_imported_where_there_is_no_table() -> None:
    told = config()
    assert not is_loaded(NAME)
    assert told.mistakes_beside(lambda *_: None) == []
    assert told.taking(config())[1].reloaded == frozenset()
    assert MODULE not in sys.modules
    attic = load_class(NAME)
    assert told.section(attic) == attic(), "its defaults are there for whoever wants them"
    assert told.section(attic) is told.section(attic)


def test_a_table_that_is_written_is_read_and_checked() -> None:
    told = config(attic={"size": 5})
    assert is_loaded(NAME)
    assert told.section(load_class(NAME)).size == 5
    assert told.mistakes_beside(lambda *_: None) == ["attic.size: 5"]
    with pytest.raises(ConfigError, match="size: expected a whole number"):
        config(attic={"size": "big"})
    with pytest.raises(ConfigError, match="unknown key"):
        config(attic={"colour": "red"})


def test_a_table_that_comes_with_a_new_configuration_is_taken() -> None:
    old, new = (
        config(),
        Config.from_mapping(
            {"node_id": "a", "secret": "s" * 40, "attic": {"size": 5, "kind": "wet"}}
        ),
    )
    assert old.to_import(new) == [NAME], "a node that runs imports it in a worker thread"
    taken, changes = old.taking(new)
    assert changes == Changes(frozenset({"attic.size"}), frozenset({"attic.kind"}))
    assert taken.section(load_class(NAME)) == load_class(NAME)(size=5)
    again, changes = taken.taking(config())
    assert changes == Changes(frozenset({"attic.size"}))
    assert again.section(load_class(NAME)) == load_class(NAME)()


@pytest.mark.parametrize("name", [f"{MODULE}:Cellar", f"{MODULE}:alias", f"{MODULE}:attrs"])
def test_a_name_that_is_not_that_of_a_table_is_an_error(name: str) -> None:
    with pytest.raises(TypeError, match="does not name a class where it is defined"):
        load_class(name)
    with pytest.raises(ImportError):
        load_class("tests.core.config.nowhere:Attic")


def test_a_class_that_no_table_names_is_no_section() -> None:
    with pytest.raises(LookupError, match="is not a section"):
        config().section(Config)
