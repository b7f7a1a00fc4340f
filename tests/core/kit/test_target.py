"""What a person names to have it checked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.kit.target import find_target

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.kit.conftest import Writer


def test_a_folder_says_what_is_in_it(write: Writer) -> None:
    target = find_target(write(hookspecs=""))
    assert target.name == "clawmatrix-pigeons"
    assert target.plugins == {"pigeons": f"{write.package}.plugin:Plugin"}
    assert target.specs == {"pigeons": f"{write.package}.hookspecs"}
    assert target.folders == [write.folder / "src", write.folder]


def test_packages_that_hatch_is_told_of_are_found(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[project.entry-points."clawmatrix.plugins"]\nx = "x:X [extra]"\n'
        '[tool.hatch.build.targets.wheel]\npackages = ["lib/x"]\n'
    )
    target = find_target(str(tmp_path))
    assert target.plugins == {"x": "x:X"}
    assert target.folders == [tmp_path / "lib", tmp_path]
    before = sys.path[:]
    with target.importable():
        assert sys.path[:2] == [str(tmp_path / "lib"), str(tmp_path)]
    assert sys.path == before


def test_a_distribution_and_a_place_are_found() -> None:
    assert "mesh" in find_target("clawmatrix").plugins
    assert find_target("clawmatrix").folders == ()
    place = "clawmatrix_relay.plugin:RelayPlugin"
    assert find_target(place).plugins == {"relay": place}
    assert find_target("dice.plugin:Dice").plugins == {"Dice": "dice.plugin:Dice"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "pyproject.toml cannot be read: No such file"),
        ("[", "pyproject.toml: "),
        ("[project]\nname = 'x'\n", r"x has no plugin: no \[project.entry-points"),
    ],
)
def test_a_folder_without_a_plugin_says_why(text: str | None, why: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ValueError, match=why):
        find_target(str(tmp_path))


def test_what_is_nowhere_says_so() -> None:
    with pytest.raises(ValueError, match="pigeons is no folder, no installed distribution"):
        find_target("pigeons")
