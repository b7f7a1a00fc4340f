"""What is the node's own is in no tool's reach, whatever the roots, and whatever it is called."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import Config, ConfigSection
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_tool_proxy import own_places as module
from clawmatrix_tool_proxy.files.config import RootTable
from clawmatrix_tool_proxy.files.globs import Glob
from clawmatrix_tool_proxy.files.listing import Listing
from clawmatrix_tool_proxy.files.matching import PlainText
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.roots import Roots
from clawmatrix_tool_proxy.files.searching import Search
from clawmatrix_tool_proxy.files.tree import Tree
from clawmatrix_tool_proxy.own_places import OwnPlaces, identity
from tests.plugins.tool_proxy.files.helpers import Place, bind_mount, code_of, place_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORDS = "s" * 40
"""The secret in the configuration."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Place]:
    """Return roots of which one has the configuration and the state of the node in it."""
    state = tmp_path / "home" / "state" / "audit"
    state.mkdir(parents=True)
    (state / "audit.jsonl").write_text(WORDS)
    (tmp_path / "home" / "state" / "identity.json").write_text(WORDS)
    with place_in(tmp_path, {"home": RootTable(path=tmp_path / "home")}) as place:
        yield place


def all_codes(place: Place, path: str) -> set[str]:
    return {
        code_of(lambda: place.read(path)),
        code_of(lambda: place.read_bytes(path)),
        code_of(lambda: place.write(path)),
        code_of(lambda: place.write(path, parents=True)),
        code_of(lambda: place.edit(path, "s", "t")),
    }


def listed(place: Place, path: str) -> list[str]:
    tree = Tree(8, 1.0, lambda: 0.0, ignored=True)
    listing = Listing(place.roots, RootPath.parse(path), tree, 1000, 10**6)
    assert not b"".join(listing)
    return [entry["path"] for entry in listing.entries]


def found(place: Place, path: str) -> bytes:
    tree = Tree(8, 1.0, lambda: 0.0, ignored=True)
    glob = Glob.parse("*")
    return b"".join(
        Search(place.roots, RootPath.parse(path), tree, PlainText.of(WORDS), 1000, 10**6, glob)
    )


OWN = ["clawmatrix.toml", "state", "state/identity.json", "state/audit/audit.jsonl", "state/new"]


@pytest.mark.parametrize("path", OWN)
def test_nothing_of_the_node_is_read_written_or_shown(home: Place, path: str) -> None:
    before = sorted(os.walk(home.tmp_path / "home"))
    assert all_codes(home, f"home/{path}") == {"private"}
    assert listed(home, "home") == []
    assert found(home, "home") == b""
    assert sorted(os.walk(home.tmp_path / "home")) == before


def test_another_name_helps_nobody(home: Place) -> None:
    folder = home.tmp_path / "home"
    (folder / "state").rename(folder / "renamed")
    (folder / "clawmatrix.toml").rename(folder / "notes.toml")
    for path in ("renamed/identity.json", "renamed/audit/audit.jsonl", "notes.toml"):
        assert all_codes(home, f"home/{path}") == {"private"}
    assert listed(home, "home") == []
    assert found(home, "home") == b""


def test_a_second_name_helps_nobody(home: Place) -> None:
    folder = home.tmp_path / "home"
    for n, own in enumerate(["clawmatrix.toml", "state/identity.json", "state/audit/audit.jsonl"]):
        (home.code / f"{n}").hardlink_to(folder / own)
        assert all_codes(home, f"code/{n}") == {"private"}
    assert listed(home, "code") == []
    assert found(home, "code") == b""


@pytest.mark.parametrize("below", ["state", "state/audit"])
def test_another_place_helps_nobody(home: Place, below: str) -> None:
    (home.code / "mount").mkdir()
    with bind_mount(home.tmp_path / "home" / below, home.code / "mount") as done:
        if not done:
            pytest.skip("only root mounts")
        inside = {"state": "identity.json", "state/audit": "audit.jsonl"}
        assert all_codes(home, f"code/mount/{inside[below]}") == {"private"}
        assert listed(home, "code") == []
        assert found(home, "code") == b""


def test_an_editor_that_replaces_the_configuration_opens_no_gap(home: Place) -> None:
    folder = home.tmp_path / "home"
    (folder / "new").write_text(WORDS)
    (folder / "new").rename(folder / "clawmatrix.toml")
    (home.code / "a").hardlink_to(folder / "clawmatrix.toml")
    assert all_codes(home, "home/clawmatrix.toml") == {"private"}
    assert all_codes(home, "code/a") == {"private"}
    (folder / "clawmatrix.toml").unlink()
    assert all_codes(home, "home/clawmatrix.toml") == {"private"}, "a new one would be read"


def node_with_secret_in(tmp_path: Path, name: str) -> Config:
    """Return a configuration whose secret is in a file of the root ``code``."""
    (tmp_path / "code").mkdir(exist_ok=True)
    for one in ("old", "new"):
        (tmp_path / "code" / one).write_text(WORDS)
        (tmp_path / "code" / one).chmod(0o600)
    (tmp_path / "node").mkdir(exist_ok=True)
    file = tmp_path / "node" / "clawmatrix.toml"
    file.write_text(
        f'node_id = "office"\nsecret = "file:../code/{name}"\nstate_dir = "{tmp_path / "state"}"\n'
        f'[tool-proxy.roots]\ncode = "{tmp_path / "code"}"\n'
    )
    file.chmod(0o600)
    return Config.load(file)


def test_a_private_key_that_the_configuration_names_is_the_nodes_own(tmp_path: Path) -> None:
    table = {"code": RootTable(path=tmp_path / "code")}
    (tmp_path / "code").mkdir()
    for name in ("key.pem", "chain.pem", "other.pem"):
        (tmp_path / "code" / name).write_text(WORDS)
    file = tmp_path / "clawmatrix.toml"
    file.write_text(
        f'node_id = "office"\nsecret = "{WORDS}"\nstate_dir = "{tmp_path / "state"}"\n'
        '[mesh]\ntls_cert = "code/chain.pem"\ntls_key = "code/key.pem"\n'
    )
    file.chmod(0o600)
    config = Config.load(file)
    config.bind([ConfigSection("mesh", MeshConfig)])
    with OwnPlaces(config) as own, Roots(table, own) as roots:
        place = Place(tmp_path, roots)
        assert all_codes(place, "code/key.pem") == {"private"}
        assert all_codes(place, "code/chain.pem") == {"private"}  # it may have the key as well
        assert listed(place, "code") == ["code/other.pem"]


def test_a_file_that_holds_a_secret_of_the_configuration_is_the_nodes_own(tmp_path: Path) -> None:
    config = node_with_secret_in(tmp_path, "old")
    table = {"code": RootTable(path=tmp_path / "code")}
    os.link(tmp_path / "code" / "old", tmp_path / "code" / "second")
    configs = [config]
    with OwnPlaces(config, lambda: configs[-1]) as own, Roots(table, own) as roots:
        place = Place(tmp_path, roots)
        for path in ("code/old", "code/second"):
            assert all_codes(place, path) == {"private"}
        assert listed(place, "code") == ["code/new"]
        configs.append(node_with_secret_in(tmp_path, "new"))
        assert [all_codes(place, f"code/{name}") for name in ("old", "new")] == [{"private"}] * 2


def test_a_link_to_the_configuration_hides_both(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text(f'node_id = "office"\nsecret = "{WORDS}"\n')
    (tmp_path / "real.toml").chmod(0o600)
    (tmp_path / "link.toml").symlink_to("real.toml")
    own = OwnPlaces(Config.load(tmp_path / "link.toml")).look()
    folder = identity(tmp_path.stat())
    for name in ("real.toml", "link.toml"):
        assert own.has(folder, name, (tmp_path / name).lstat())
        assert own.has(folder, name, None)
    assert not own.has(folder, "other.toml", None)


@pytest.mark.parametrize("name", [".clawmatrix", ".ClawMatrix", ".CLAWMATRIX"])
def test_a_private_folder_is_private_wherever_it_is(place: Place, name: str) -> None:
    (place.code / "deep" / name).mkdir(parents=True)
    (place.code / "deep" / name / "a").write_text(WORDS)
    for path in (f"code/deep/{name}/a", f"code/deep/{name}", f"code/deep/{name}/b/c"):
        assert all_codes(place, path) == {"private"}
    assert all_codes(place, f"code/{name}/a") == {"private"}, "nor is one made"
    assert listed(place, "code") == ["code/deep"]
    assert found(place, "code") == b""


def test_where_a_configuration_would_be_looked_for_none_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.code)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.code / "config"))
    (place.code / "config" / "clawmatrix").mkdir(parents=True)
    with place_in(place.tmp_path) as later:
        assert all_codes(later, "code/clawmatrix.toml") == {"private"}
        assert code_of(lambda: later.write("code/other/clawmatrix.toml", parents=True)) == "done"
        user = "code/config/clawmatrix/clawmatrix.toml"
        assert all_codes(later, user) in ({"private"}, {"not_found", "done"})


def test_the_folders_of_control_sockets_are_the_nodes_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    (run / "clawmatrix").mkdir(parents=True)
    (run / "clawmatrix" / "a.sock").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
    with place_in(tmp_path, {"run": RootTable(path=run)}) as place:
        assert all_codes(place, "run/clawmatrix/a.sock") == {"private"}
        assert listed(place, "run") == []


@pytest.mark.bound("clawmatrix_tool_proxy.own_places.COUNTED")
def test_more_files_than_are_counted_close_what_has_two_names(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = home.tmp_path / "home" / "state"
    (home.code / "a").hardlink_to(state / "audit" / "audit.jsonl")
    (home.outside / "b").write_text("b")
    (home.code / "b").hardlink_to(home.outside / "b")
    (home.code / "c").write_text("c")
    assert home.read("code/b") == b"b"
    monkeypatch.setattr(module, "COUNTED", 5)
    for n in range(6):
        (state / f"{n}").touch()
    assert all_codes(home, "code/a") == all_codes(home, "code/b") == {"private"}
    assert home.read("code/c") == b"c"
    assert all_codes(home, "home/state/3") == {"private"}


def test_whoever_knows_own_folders_by_their_paths_is_found_out(home: Place) -> None:
    """The tests above fail for a guard that compares paths."""
    folder = home.tmp_path / "home"
    own = [folder / "state", folder / "clawmatrix.toml"]

    def read_by_path(path: Path) -> str:
        if any(path.is_relative_to(place) for place in own):
            return "private"
        return path.read_text()

    assert read_by_path(folder / "state" / "identity.json") == "private"
    (home.code / "a").hardlink_to(folder / "clawmatrix.toml")
    (folder / "state").rename(folder / "renamed")
    assert WORDS in read_by_path(home.code / "a")
    assert WORDS in read_by_path(folder / "renamed" / "identity.json")
