"""Names of programs: where they are found, and which rules they meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_grants.api import DEFAULT_PATH, resolve_program
from clawmatrix_grants.programs import resolve_arguments
from tests.plugins.grants.helpers import ask, policy

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.policy.verdict import Effect


@pytest.fixture
def bin_(tmp_path: Path) -> Path:
    """Return a folder with the programs make and python3.11, and links to them."""
    real = tmp_path / "usr" / "bin"
    real.mkdir(parents=True)
    for name in ("make", "python3.11"):
        (real / name).touch(mode=0o755)
    (real / "notes").touch(mode=0o644)
    (real / "python3").symlink_to("python3.11")
    (tmp_path / "bin").symlink_to("usr/bin")
    return tmp_path / "bin"


def test_a_bare_name_is_looked_up_and_links_of_folders_are_followed(bin_: Path) -> None:
    real = bin_.resolve()
    path = f"/nowhere:{bin_}"
    assert resolve_program("make", path) == f"{real}/make"
    assert resolve_program(f"{bin_}/make", path) == f"{real}/make"
    # A program under another name may do something else.
    assert resolve_program("python3", path) == f"{real}/python3"
    for name in ("cmake", "notes"):
        with pytest.raises(LookupError, match=name):
            resolve_program(name, path)
    for name in ("", "./make", "code/make"):
        with pytest.raises(ValueError, match="neither"):
            resolve_program(name, path)


def test_a_program_of_a_folder_that_is_relative_is_none(
    bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bin_)
    with pytest.raises(LookupError):
        resolve_program("make", ".")


def test_the_shell_is_found_where_commands_find_it() -> None:
    assert resolve_program("sh", DEFAULT_PATH).endswith("/sh")


def table(word: str, argv: list[Any], allows: bool = False) -> dict[str, Any]:
    tools = ["exec", "other"] if allows else []
    return {"home": {"tools": tools, "rules": [{word: ["exec", "o*"], "when": {"argv": argv}}]}}


def effects(
    told: dict[str, Any], path: Path, *argvs: list[Any], tool: str = "exec"
) -> list[Effect]:
    decides = policy(told, path=str(path))
    found = [ask(decides, tool, {"argv": argv}).effect for argv in argvs]
    return [effect for effect in found if effect is not None]


def test_a_bare_name_in_an_allow_is_the_program_that_would_run(bin_: Path) -> None:
    real = str(bin_.resolve())
    told = table("allow", ["make", "test"])
    assert effects(told, bin_, [f"{real}/make", "test"]) == ["allow"]
    others = [["make", "test"], ["/tmp/make", "test"], ["code/make", "test"], [f"{real}/make"]]
    assert set(effects(told, bin_, *others)) == {"deny"}


def test_one_of_several_names_is_each_of_them(bin_: Path) -> None:
    real = str(bin_.resolve())
    told = table("allow", [["make", "python3"], "**"])
    assert effects(told, bin_, [f"{real}/make"], [f"{real}/python3", "x"]) == ["allow"] * 2
    assert effects(told, bin_, [f"{real}/python3.11"], []) == ["deny"] * 2


def test_a_program_that_is_not_there_is_never_allowed(bin_: Path) -> None:
    told = table("allow", ["cmake"])
    assert set(effects(told, bin_, ["cmake"], ["/usr/bin/cmake"], [""])) == {"deny"}


def test_a_pattern_of_a_bare_name_is_one_in_the_folders_of_programs(bin_: Path) -> None:
    real = str(bin_.resolve())
    told = table("allow", ["py*", "**"])
    assert effects(told, bin_, [f"{real}/python3"], [f"{real}/python3.11", "x"]) == ["allow"] * 2
    assert set(effects(told, bin_, ["python3"], ["/tmp/python3"], [f"{real}/make"])) == {"deny"}


def test_a_bare_name_in_a_deny_is_each_program_of_that_name(bin_: Path) -> None:
    real = str(bin_.resolve())
    for name in ("make", "m*ke"):
        told = table("deny", [name, "**"], allows=True)
        denied = [["make"], [f"{real}/make", "x"], ["/tmp/make"], ["code/bin/make"], ["a/../make"]]
        assert set(effects(told, bin_, *denied)) == {"deny"}
        assert effects(told, bin_, [f"{real}/cmake"], ["/make/x"]) == ["allow"] * 2


def test_a_whole_path_has_the_links_of_its_folders_followed(bin_: Path) -> None:
    real = str(bin_.resolve())
    for pattern in (f"{bin_}/make", f"{bin_}/m*"):
        assert effects(table("allow", [pattern]), bin_, [f"{real}/make"]) == ["allow"]
        assert effects(table("deny", [pattern], allows=True), bin_, [f"{real}/make"]) == ["deny"]


def test_any_program_is_any(bin_: Path) -> None:
    told = table("allow", [["**"], "--version"])
    assert effects(told, bin_, ["/any/where", "--version"]) == ["allow"]
    assert effects(told, bin_, ["--version"], [3, "--version"]) == ["deny", "allow"]


def test_other_tools_have_lists_that_begin_with_no_program(bin_: Path) -> None:
    told = table("allow", ["make", "test"])
    assert effects(told, bin_, ["make", "test"], tool="other") == ["allow"]
    assert effects(told, bin_, [f"{bin_.resolve()}/make", "test"], tool="other") == ["deny"]


def test_the_arguments_of_a_question_get_their_program(bin_: Path) -> None:
    real, path = str(bin_.resolve()), str(bin_)
    assert resolve_arguments("exec", {"argv": ["make", "x"], "cwd": "a"}, path) == {
        "argv": [f"{real}/make", "x"],
        "cwd": "a",
    }
    for tool, arguments in (
        ("other", {"argv": ["make"]}),
        ("exec", {"argv": ["cmake"]}),
        ("exec", {"argv": "make"}),
        ("exec", {"argv": []}),
        ("exec", {"argv": [3]}),
        ("exec", {}),
    ):
        assert resolve_arguments(tool, arguments, path) == arguments
