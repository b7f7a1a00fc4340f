"""What built-in plugins use of the core: public names, ``spi``, and the listed parts of a node."""

from __future__ import annotations

import importlib
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

import clawmatrix_core
from clawmatrix_core import cli, spi
from tests.contract.spi_rules import CORE, ROOT, Use, chains, documented, imports, plugin_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST = 41
"""Names that ``spi`` has at most."""
OPEN = {
    CORE: frozenset(clawmatrix_core.__all__),
    f"{CORE}.spi": frozenset(spi.__all__),
    f"{CORE}.cli": frozenset(cli.__all__),
    f"{CORE}.hookspecs": None,
}
"""What plugins import, by module; None for every name."""


def wrong_imports(files: Iterable[Path], root: Path = ROOT) -> list[str]:
    found = []
    for use in (use for file in files for use in imports(file, root)):
        names = OPEN.get(use.module, frozenset())
        if names is not None and use.name not in names:
            found.append(f"{use.place} imports {use.name} from {use.module}")
    return found


def wrong_chains(files: Iterable[Path], root: Path = ROOT) -> list[str]:
    listed = documented("through a node")
    uses = (use for file in files for use in chains(file, root))
    return [f"{use.place} reaches {use.name}" for use in uses if use.name not in listed]


def users(uses: Iterable[Use]) -> dict[str, list[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for use in uses:
        found[use.name].add(use.plugin)
    return {name: sorted(plugins) for name, plugins in found.items()}


def test_plugins_import_public_names_and_those_of_spi() -> None:
    assert len(plugin_files()) > 150
    assert wrong_imports(plugin_files()) == []


def test_plugins_reach_no_further_into_a_node_than_is_listed() -> None:
    assert wrong_chains(plugin_files()) == []


def test_spi_is_short_and_sorted() -> None:
    def order(name: str) -> tuple[bool, bool, str]:
        return (not name.isupper(), not name[0].isupper(), name)  # constants, classes, the rest

    assert 0 < len(spi.__all__) <= MOST
    assert sorted(spi.__all__, key=order) == spi.__all__
    assert sorted(n for names in spi._HOMES.values() for n in names) == sorted(spi.__all__)


def test_no_name_is_both_public_and_of_spi() -> None:
    assert set(spi.__all__) & set(clawmatrix_core.__all__) == set()


@pytest.mark.parametrize("name", spi.__all__)
def test_every_name_of_spi_is_there_and_public_at_home(name: str) -> None:
    [home] = [module for module, names in spi._HOMES.items() if name in names]
    module = importlib.import_module(home)
    assert getattr(spi, name) is getattr(module, name)
    assert name in dir(spi)
    assert name in getattr(module, "__all__", [name])


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match=r"'clawmatrix_core.spi' has no attribute 'Nodes'"):
        spi.Nodes  # noqa: B018


def test_the_page_has_the_names_each_with_the_plugins_that_use_it() -> None:
    uses = (use for file in plugin_files() for use in imports(file))
    found = users(use for use in uses if use.module == f"{CORE}.spi")
    assert documented("spi names") == found
    assert list(documented("spi names")) == spi.__all__


def test_the_page_has_what_is_reached_through_a_node_each_with_its_users() -> None:
    found = users(use for file in plugin_files() for use in chains(file))
    assert documented("through a node") == found
    assert list(documented("through a node")) == sorted(found)


# --- the rules find what is wrong


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    file = tmp_path / "plugins" / "clawmatrix_relay" / "planted.py"
    file.parent.mkdir(parents=True)
    return file


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("from clawmatrix_core.wire.link import Link", "Link from clawmatrix_core.wire.link"),
        ("from clawmatrix_core import Switch", "Switch from clawmatrix_core"),
        ("from clawmatrix_core import kernel", "kernel from clawmatrix_core"),
        ("from clawmatrix_core.spi import Directory", "Directory from clawmatrix_core.spi"),
        ("from clawmatrix_core.cli.context import Settings", "from clawmatrix_core.cli.context"),
        ("import clawmatrix_core.wire.link", "* from clawmatrix_core.wire.link"),
        ("import clawmatrix_core", "* from clawmatrix_core"),
        (
            "if TYPE_CHECKING:\n    from clawmatrix_core.kernel.switch import Switch",
            "Switch from clawmatrix_core.kernel.switch",
        ),
        (
            "def late():\n    from clawmatrix_core.kernel.switch import Switch",
            "Switch from clawmatrix_core.kernel.switch",
        ),
    ],
)
def test_a_wrong_import_is_named(line: str, told: str, planted: Path, tmp_path: Path) -> None:
    planted.write_text(line)
    [found] = wrong_imports([planted], tmp_path)
    assert found.startswith("plugins/clawmatrix_relay/planted.py:")
    assert told in found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("node.switch.transmit(to)", "switch.transmit"),
        ("self._node.sessions.table", "sessions.table"),
        ("node.stack.ways", "stack.ways"),
        ("switch = node.switch", "switch"),
        ("summary(node.directory)", "directory"),
        ("here = node\nhere.exchanges.open(to)", "exchanges.open"),
        ("node.directory.accept(signed)", "directory.accept"),
    ],
)
def test_what_is_reached_beyond_the_list_is_named(
    line: str, told: str, planted: Path, tmp_path: Path
) -> None:
    planted.write_text(line)
    [found] = wrong_chains([planted], tmp_path)
    assert found.endswith(f" reaches {told}")


def test_what_is_listed_may_be_reached_and_imported(planted: Path, tmp_path: Path) -> None:
    planted.write_text(
        "from clawmatrix_core import Link\n"
        "from clawmatrix_core.spi import Rate\n"
        "from clawmatrix_core.hookspecs import hookimpl\n"
        "from clawmatrix_core.cli import echo_json\n"
        "node.switch.report(link.peer, 'x', 'y')\n"
    )
    assert wrong_imports([planted], tmp_path) == []
    assert wrong_chains([planted], tmp_path) == []
