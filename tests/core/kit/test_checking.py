"""``clawmatrix plugins check``: what is right, and what is wrong, with plugins."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.cli.shell import OWN_COMMANDS, execute
from clawmatrix_core.kit.checking import check_plugins
from clawmatrix_core.kit.target import find_target

if TYPE_CHECKING:
    from clawmatrix_core.loading.contributions import Finding
    from tests.core.kit.conftest import Writer

HEAD = """
from __future__ import annotations
import attrs, click
from clawmatrix_core import ConfigSection, ControlMethod, Frame, Node, StatusSection
from clawmatrix_core import hookimpl, option
"""

GOOD = """
@attrs.frozen
class PigeonConfig:
    most: int = option(default=3, doc="How many there may be.")

class Plugin:
    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("pigeons", PigeonConfig)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        return [click.Command("pigeons")]

    @hookimpl
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return None
"""

COMMAND = """
class Plugin:
    @hookimpl
    def register_commands(self): return [click.Command("{}")]
"""

WRONG = {
    "an error on import": ("raise LookupError('no loft')", "LookupError: no loft"),
    "an exit on import": ("raise SystemExit(3)", "SystemExit: 3"),
    "no such class": ("class Other: ...", "AttributeError: "),
    "arguments wanted": (
        "class Plugin:\n    def __init__(self, loft): ...",
        "could not be made: TypeError",
    ),
    "no hook": ("class Plugin: ...", "implements no hook -> mark methods with @hookimpl"),
    "an unknown hook": (
        "class Plugin:\n    @hookimpl\n    def frame_recieved(self, frame): ...",
        "implements hooks that do not exist: frame_recieved -> correct the name",
    ),
    "a hook of another": (
        "class Plugin:\n    @hookimpl\n    def register_http_routes(self): return []",
        "hooks of plugins that it does not extend: register_http_routes of http -> name the owners",
    ),
    "the wrong colour": (
        "class Plugin:\n    @hookimpl\n    async def frame_received(self, frame): ...",
        "hook 'frame_received' must be a plain def",
    ),
    "an unknown parameter": (
        "class Plugin:\n    @hookimpl\n    def frame_received(self, frmae): ...",
        "Argument(s) {'frmae'} are declared in the hookimpl but can not be found",
    ),
    "an annotation": (
        "class Plugin:\n    @hookimpl\n    def frame_received(self, frame: bytes) -> bool: ...",
        "frame_received(frame): annotated bytes, the hook gives Frame",
    ),
    "a bare option": (
        """
@attrs.frozen
class Bare:
    most: int = 3

class Plugin:
    @hookimpl
    def register_config(self): return [ConfigSection("pigeons", Bare)]
""",
        "the option pigeons.most is not documented -> declare it",
    ),
    "a command of the core": (
        COMMAND.format("run"),
        "command run: core has it, that of pigeons is left out",
    ),
    "a command of a plugin": (
        COMMAND.format("env"),
        "command env: http has it, that of pigeons is left out",
    ),
    "a table": (
        """
@attrs.frozen
class Own:
    most: int = option(default=3, doc="How many.")

class Plugin:
    @hookimpl
    def register_config(self): return [ConfigSection("mesh", Own)]
""",
        "table mesh: mesh has it, that of pigeons is left out",
    ),
    "a scheme": (
        """
class Plugin:
    @hookimpl
    def register_transports(self):
        from clawmatrix_core import MemoryHub, MemoryTransport
        class Ws(MemoryTransport):
            schemes = ("ws",)
        return [Ws(MemoryHub())]
""",
        "address scheme ws: mesh has it, that of pigeons is left out",
    ),
    "a control method": (
        """
class Plugin:
    @hookimpl
    def register_control_methods(self): return [ControlMethod("status")]
""",
        "control method status: control has it, that of pigeons is left out",
    ),
    "a route": (
        """
class Plugin:
    extends = ("http",)
    @hookimpl
    def register_http_routes(self):
        from clawmatrix_http.api import HttpRoute
        return [HttpRoute("/healthz", ("GET",), print)]
""",
        "GET /healthz: http has it, that of pigeons is left out",
    ),
    "a registration that raises": (
        "class Plugin:\n    @hookimpl\n    def register_commands(self): raise OSError('full')",
        "register_commands: OSError: full",
    ),
}

HOOKSPECS = '''
from clawmatrix_core import Node, hookspec

@hookspec
def register_perches(node: Node) -> list[str]:
    """Name perches. Dispatch: collect."""
'''


def found(what: str) -> list[Finding]:
    return list(check_plugins(find_target(what), [*OWN_COMMANDS]))


def lines(what: str, *status: str) -> list[str]:
    return [
        f"{one.name}: {one.detail} -> {one.advice}" for one in found(what) if one.status in status
    ]


def test_a_plugin_that_fits(write: Writer) -> None:
    folder = write(HEAD + GOOD, hookspecs=HOOKSPECS, api="")
    before = sys.path[:]
    told = found(folder)
    assert [(one.name, one.detail) for one in told if one.status != "ok"] == []
    assert [(one.name.replace(write.package, "PACKAGE"), one.detail) for one in told] == [
        ("import PACKAGE.hookspecs", "loads no plugin with it"),
        ("import PACKAGE", "loads no plugin with it"),
        ("import PACKAGE.api", "loads no plugin with it"),
        ("hooks of pigeons", "specifies register_perches"),
        ("pigeons", "implements frame_received, register_commands, register_config"),
        ("pigeons", "annotations fit the hooks"),
        ("pigeons", "documents all of its options (1)"),
        ("pigeons", "takes no name that others have"),
    ]
    assert sys.path == before
    assert not list(write.folder.rglob("*.pyc"))


@pytest.mark.parametrize("what", WRONG)
def test_a_plugin_that_does_not_fit(what: str, write: Writer) -> None:
    source, expected = WRONG[what]
    told = lines(write(HEAD + source), "problem")
    assert any(expected in line for line in told), told


def test_the_name_of_a_built_in_plugin_is_taken(write: Writer) -> None:
    [line] = lines(write(HEAD + GOOD, name="mesh"), "problem")
    assert line == "mesh: a built-in plugin has that name -> choose another one"


def test_an_owner_that_is_not_installed_is_skipped(write: Writer) -> None:
    source = """
        class Plugin:
            extends = ("lofts",)
            @hookimpl
            def register_lofts(self): return []
            @hookimpl
            def register_status(self, node=None): return []
    """
    folder = write(HEAD + source.replace("\n        ", "\n"))
    assert lines(folder, "problem") == []
    assert lines(folder, "skipped") == [
        "pigeons: lofts is not installed here, so its hooks are not looked at"
        " -> install lofts beside it"
    ]
    assert lines(folder, "warning") == [
        "pigeons: register_status(node): has a default, so it is never given"
        " -> take parameters without defaults"
    ]


def test_one_that_only_has_hooks_of_an_owner_that_is_not_installed_is_skipped(
    write: Writer,
) -> None:
    source = """
class Plugin:
    extends = ("lofts",)
    @hookimpl
    def register_lofts(self): return []
"""
    folder = write(HEAD + source)
    assert lines(folder, "problem", "warning") == []
    assert lines(folder, "skipped") == [
        "pigeons: lofts is not installed here, so its hooks are not looked at"
        " -> install lofts beside it"
    ]
    assert not any("implements" in one.detail for one in found(folder))


def test_a_hook_that_takes_more_than_the_node_is_not_called(write: Writer) -> None:
    spec = HOOKSPECS.replace("node: Node", "node: Node, storey: int")
    folder = write(HEAD + GOOD, hookspecs=spec)
    assert lines(folder, "problem", "warning", "skipped") == []


def test_one_that_needs_a_node_that_runs_is_not_compared(write: Writer) -> None:
    source = """
class Plugin:
    @hookimpl
    def register_status(self, node):
        return [StatusSection(str(node.directory), dict)]
"""
    folder = write(HEAD + source)
    assert lines(folder, "problem") == []
    [line] = lines(folder, "warning")
    assert line.startswith("pigeons: not compared with the names of others: register_status: NotE")


@pytest.mark.parametrize(
    ("hookspecs", "expected"),
    [
        (
            HOOKSPECS.replace("(node: Node)", "(loft: Node)"),
            "the first parameter is loft, not node",
        ),
        (HOOKSPECS.replace("register_perches", "register_http_routes"), "which belongs to http"),
        ("", "specifies no hooks"),
        ("import PACKAGE.plugin\n" + HOOKSPECS, "loads the plugin with it (PACKAGE.plugin)"),
        ("raise OSError('full')", "cannot be imported: OSError: full"),
    ],
)
def test_specifications_that_cannot_be_used(hookspecs: str, expected: str, write: Writer) -> None:
    told = lines(write(HEAD + GOOD, hookspecs=hookspecs), "problem")
    assert any(expected.replace("PACKAGE", write.package) in line for line in told), told


def test_an_api_that_loads_the_plugin_is_a_problem(write: Writer) -> None:
    [line] = lines(write(HEAD + GOOD, api="from PACKAGE.plugin import Plugin"), "problem")
    assert line.startswith(f"import {write.package}.api: loads the plugin with it")


def test_one_that_is_imported_from_elsewhere_is_told(write: Writer) -> None:
    folder = write()
    (write.folder / "pyproject.toml").write_text(
        '[project.entry-points."clawmatrix.plugins"]\n'
        'pigeons = "tests.integration.third_party.clawmatrix_bells_broken:BadFrame"\n'
    )
    told = lines(folder, "warning")
    assert any("not from the folder -> uninstall the other one" in line for line in told), told


def test_the_built_in_plugins_fit() -> None:
    assert lines("clawmatrix", "problem", "warning", "skipped") == []
    told = found("clawmatrix_relay.plugin:RelayPlugin")
    assert {(one.name.partition(" ")[0], one.status) for one in told} == {
        ("import", "ok"),
        ("relay", "ok"),
    }


def test_a_plugin_that_is_no_distribution_is_named_by_its_class() -> None:
    place = "tests.integration.third_party.clawmatrix_bells_broken:BadFrame"
    assert lines(place, "problem", "warning") == []


def test_the_command_prints_findings_and_says_so_by_its_exit_code(
    write: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(HEAD + WRONG["no hook"][0])
    assert execute(["plugins", "check", folder]) == 12
    told = capsys.readouterr().out
    assert "problem  pigeons" in told
    assert "1 problem" in told
    assert execute(["plugins", "check", "clawmatrix", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert {check["status"] for check in checks} == {"ok"}
    assert execute(["plugins", "check", "no-such-plugin"]) == 2
    assert "is no folder, no installed distribution" in capsys.readouterr().err
