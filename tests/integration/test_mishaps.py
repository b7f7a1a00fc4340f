"""Each mistake that a third party's plugin can make, on real nodes.

The plugins are those of ``third_party_mishaps``, one for each mistake. One node has them all, but
those that mean to end the process; what becomes of each is in a table below.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.cli.control_client import ControlError
from tests.integration.conftest import NodeProcess, UpstreamProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOURCE = Path(__file__).parent / "third_party_mishaps"
BUILT_IN = ("mesh", "relay", "control", "http", "model-proxy")
ENDING = ("start-refuses", "exits-started", "exits-registering", "interrupts")
"""Those that mean to end the node."""
STALLING = (
    "start-blocks",
    "loop-blocks",
    "loop-blocks-below",
    "status-blocks",
    "offer-blocks",
    "route-blocks",
    "method-blocks",
)
STOPPING = ("stop-swallows", "stop-shielded", "stop-waits")
TOMORROW = "tomorrow"

FAILED = {
    "init-raises": "RuntimeError: the nest is empty",
    "init-exits": "SystemExit: 9",
    "init-wants-more": "missing 1 required positional argument: 'nest'",
    "import-raises": "ImportError: libstork.so.2",
    "import-exits": "SystemExit: stork needs a newer kernel",
    "no-such-class": "has no attribute 'NoSuchClass'",
    "no-such-module": "No module named 'stork_that_is_not_there'",
    "odd-parameter": "{'wind'} are declared in the hookimpl",
    "hook-misspelt": "implements hooks that do not exist: link_openend",
    "hook-not-async": "must be an async def",
    "hook-async": "must be a plain def",
    "frames-async": "must be a plain def",
    "frames-reserved": "wants frames that no plugin gets: 'cancel', 'session_later'",
    "frames-odd": "wants frames that no plugin gets: 7",
    "start-raises": "did not start: ValueError: no wind",
    "codec-empty": "codec.write_request is missing; it is called as",
    "api-names": "name must have the plugin's name in front",
    "takes-table": "the table [mesh] belongs to the plugin mesh",
    TOMORROW: "needs clawmatrix>=2, and this is clawmatrix ",
}
"""The reasons of plugins that are out, in part."""

FAULTY = {
    "returns-mapping": "register_http_routes: TypeError: gave a dict, not a list",
    "returns-one": "register_status: TypeError: gave a StatusSection, not a list",
    "returns-others": "register_commands: TypeError: gave a builtin_function_or_method",
    "hook-raises": "register_http_routes: LookupError: no runway",
    "table-plain": "register_config: TypeError: ",
    "task-raises": "TaskRaises.fly: LookupError: no thermals",
    "task-odd": "raised _Gust, which is no Exception: blown away",
    "cancelled": "node_started: StrayCancellation: ",
    "status-raises": "status section status-raises: ZeroDivisionError: no height",
    "status-odd": "status section status-odd: TypeError: ",
    "status-exits": "status section status-exits: EndsProcess: ",
    "offer-raises": "offer of offer-raises: LookupError: no eggs",
    "offer-odd": "offer of offer-odd: TypeError: ",
    "offer-huge": "offer of offer-huge: ValueError: 500011 bytes",
    "metric-raises": "metric stork_eggs: LookupError: no eggs",
    "models-odd": "the model 'stork' has the API 'stork:nowhere', and no loaded plugin has it",
    "routes-odd": "GET /stork/exits: EndsProcess: ",
    "methods-odd": "control method stork.exits: EndsProcess: ",
    "commands-raise": "register_commands: RuntimeError: no beak",
    "commands-odd": "command: TypeError: its name is empty",
}
"""The last faults of plugins that go on working, in part."""

COLLIDING = {
    "takes-commands": ("command run: clawmatrix", "command status: control"),
    "takes-routes": ("route GET /v1/models: model-proxy", "route GET /metrics: http"),
    "takes-table": ("table mesh: mesh",),
    "takes-sections": (
        "status section mesh: mesh",
        "status section peers: control",
        "status section nodeId: control",
    ),
    "takes-methods": ("control method status: control", "control method models: model-proxy"),
    "takes-offers": ("offer models: model-proxy",),
    "takes-files": ("state file identity: core",),
    "takes-schemes": ("address scheme ws: mesh",),
}
"""What built-in plugins and the core have, and who."""

IDLE = {
    "nothing": "implements no hook",
    "returns-none": "register_status: it returned None",
}
"""Plugins that do nothing, and the warning."""


def all_plugins() -> tuple[str, ...]:
    about = tomllib.loads((SOURCE / "pyproject.toml").read_text())
    return tuple(about["project"]["entry-points"]["clawmatrix.plugins"])


def install(site: Path) -> None:
    """Put the distribution into a folder, as an installer leaves it, and one of a later time."""
    about = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    shutil.copytree(SOURCE / "stork", site / "stork")
    extras = "".join(
        f'Provides-Extra: {extra}\nRequires-Dist: {name}; extra == "{extra}"\n'
        for extra, names in about["optional-dependencies"].items()
        for name in names
    )
    _describe(site, about["name"], f"Requires-Dist: clawmatrix\n{extras}", about["entry-points"])
    later = {"clawmatrix.plugins": {TOMORROW: "stork.hooks:ReturnsNone"}}
    _describe(site, "clawmatrix-tomorrow", "Requires-Dist: clawmatrix>=2\n", later)


def _describe(site: Path, name: str, more: str, entries: dict[str, dict[str, str]]) -> None:
    info = site / f"{name.replace('-', '_')}-1.3.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.3\n"
    (info / "METADATA").write_text(head + more)
    lines = (
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in named.items())
        for group, named in entries.items()
    )
    (info / "entry_points.txt").write_text("".join(lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for nodes that find the third party's distributions."""
    place = tmp_path_factory.mktemp("mishaps")
    site = place / "site"
    site.mkdir()
    install(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(site), prepend=":")
        yield place


@pytest.fixture(scope="module")
def upstream() -> Iterator[UpstreamProcess]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_model_proxy.demo.embedded", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield UpstreamProcess(port, process)
    process.kill()
    process.wait()


def configured(
    folder: Path, name: str, plugins: tuple[str, ...], more: str = "", tables: str = ""
) -> NodeProcess:
    node = NodeProcess(name, folder)
    node.configure(
        f"plugins = {json.dumps(plugins)}\n{more}"
        '[http]\nlisten = "127.0.0.1:0"\n[mesh]\nlisten = "127.0.0.1:0"\n' + tables
    )
    return node


def serving(upstream: UpstreamProcess) -> str:
    return f'[[model-proxy.models]]\nid = "embedded"\nbase_url = "{upstream.base_url}"\n'


def get(node: NodeProcess, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    env = node.ask("http.env")
    request = urllib.request.Request(
        env["baseUrl"].removesuffix("/v1") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {env['token']}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
            return answer.status, json.loads(text) if path != "/metrics" else text
    except urllib.error.HTTPError as error:
        return error.code, None


def answers(node: NodeProcess) -> bool:
    """Say whether the node answers for its model over HTTP."""
    body = {"model": "embedded", "messages": [{"role": "user", "content": "hello"}]}
    status, answer = get(node, "/v1/chat/completions", body)
    return status == 200 and bool(answer["choices"][0]["message"]["content"])


@attrs.frozen
class Seen:
    """What a node with nearly all of the plugins, and the commands beside it, were seen to say."""

    node: NodeProcess
    plugins: dict[str, Any]
    status: dict[str, Any]
    findings: list[dict[str, Any]]
    routes: dict[str, int]
    methods: dict[str, str]
    warned: str
    served: bool
    exit_code: int
    log: str

    def reasons(self, plugin: str) -> list[str]:
        return [one["detail"] for one in self.findings if one["name"] == f"plugin.{plugin}"]


@pytest.fixture(scope="module")
def seen(folder: Path, upstream: UpstreamProcess) -> Iterator[Seen]:
    left_out = {*ENDING, *STALLING, *STOPPING, "start-hangs"}
    chosen = (*BUILT_IN, *(name for name in all_plugins() if name not in left_out), TOMORROW)
    node = configured(folder, "office", chosen, tables=serving(upstream))
    node.start()
    assert node.process is not None
    try:
        wait_for(lambda: "node office is up" in node.log, f"it is up\n{node.log}")
        wait_for(lambda: answers(node), "it serves")
        yield look(node)
    finally:
        if node.process.poll() is None:
            node.process.kill()
            node.process.wait()


def look(node: NodeProcess) -> Seen:
    odd = ("raises", "mapping", "plain", "exits")
    routes = {name: get(node, f"/stork/{name}")[0] for name in odd}
    methods = {name: refusal(node, f"stork.{name}") for name in ("odd", "raises", "exits")}
    assert get(node, "/metrics")[0] == 200
    status = node.cli("status", "--json")
    findings = json.loads(node.cli("doctor", "--json").stdout)["checks"]
    listed = json.loads(node.cli("plugins", "list", "--json").stdout)["plugins"]
    plugins = {entry["name"]: entry for entry in listed}
    served = answers(node)
    code = node.end()
    return Seen(
        node,
        plugins,
        json.loads(status.stdout),
        findings,
        routes,
        methods,
        status.stderr,
        served,
        code,
        node.log,
    )


def refusal(node: NodeProcess, method: str) -> str:
    with pytest.raises(ControlError) as caught:
        node.ask(method)
    return caught.value.code


def test_the_node_serves_and_stops_in_order(seen: Seen) -> None:
    assert seen.served
    assert seen.exit_code == 0
    assert {seen.plugins[name]["state"] for name in BUILT_IN} == {"active"}
    assert not any(seen.plugins[name].get("faults") for name in BUILT_IN)


@pytest.mark.parametrize("name", FAILED)
def test_what_cannot_work_has_failed_with_its_reason(seen: Seen, name: str) -> None:
    entry = seen.plugins[name]
    assert entry["state"] == "failed"
    assert FAILED[name] in entry["reason"]
    assert f"plugin {name} failed: " in seen.log
    assert entry["reason"] in seen.reasons(name)
    assert seen.status["node"]["failed"][name] == entry["reason"]


@pytest.mark.parametrize("name", FAULTY)
def test_what_goes_wrong_is_the_fault_of_its_plugin(seen: Seen, name: str) -> None:
    entry = seen.plugins[name]
    assert entry["state"] == "active"
    assert FAULTY[name] in entry["lastFault"]
    assert f"plugin {name}: " in seen.log
    assert any(FAULTY[name] in detail for detail in seen.reasons(name))


@pytest.mark.parametrize("name", COLLIDING)
def test_what_others_have_they_keep_and_both_are_named(seen: Seen, name: str) -> None:
    for words in COLLIDING[name]:
        told = f"{words} has it, that of {name} is left out"
        owner = words.rpartition(": ")[2]
        assert told in seen.plugins[name]["collisions"]
        assert told in seen.log
        assert told in seen.reasons(name)
        if owner in BUILT_IN:
            assert told in seen.plugins[owner]["collisions"]


@pytest.mark.parametrize("name", IDLE)
def test_what_does_nothing_is_active_and_warned_of(seen: Seen, name: str) -> None:
    entry = seen.plugins[name]
    assert entry["state"] == "active"
    assert IDLE[name] in " ".join(entry["warnings"])
    assert f"plugin {name} does nothing" in seen.log
    assert any("does nothing" in detail for detail in seen.reasons(name))


def test_what_lacks_a_package_is_not_installed(seen: Seen) -> None:
    entry = seen.plugins["absent-package"]
    assert entry["state"] == "not installed"
    assert "clawmatrix-feathers-that-nobody-made" in entry["reason"]
    assert "W plugins: plugin absent-package is not installed: it needs" in seen.log
    done = seen.node.cli("config", "check")
    assert done.returncode == 2
    assert 'plugins: "absent-package": needs clawmatrix-feathers' in done.stderr
    assert f'plugins: "{TOMORROW}": needs clawmatrix>=2' in done.stderr


def test_every_plugin_has_its_outcome() -> None:
    told = {*FAILED, *FAULTY, *COLLIDING, *IDLE, *ENDING, *STALLING, *STOPPING}
    others = {"absent-package", "start-hangs", "checks-odd", "command-fails"}
    assert {*all_plugins(), TOMORROW} == told | others


def test_a_section_that_is_wrong_is_an_error_of_its_own(seen: Seen) -> None:
    for name in ("status-raises", "status-odd", "status-exits"):
        assert seen.status[name]["error"].startswith(f"plugin {name}: ")
    assert seen.status["nodeId"] == "office"
    assert seen.status["mesh"] != "stork"


def test_routes_and_methods_that_are_wrong_fail_for_their_call(seen: Seen) -> None:
    assert seen.routes == dict.fromkeys(("raises", "mapping", "plain", "exits"), 500)
    assert set(seen.methods.values()) == {"internal"}
    assert "the route stork/slash has a path that does not begin with a slash" in seen.log
    assert "control method stork.neither: TypeError: needs a function" in seen.log


def test_each_check_that_is_wrong_is_a_finding(seen: Seen) -> None:
    found = {one["name"]: one for one in seen.findings if one["name"].startswith("stork.")}
    assert {*found} == {f"stork.{name}" for name in ("raises", "none", "status", "text")}
    assert all(one["status"] == "problem" for one in found.values())
    assert all(one["detail"].startswith("plugin checks-odd: ") for one in found.values())
    assert any(one["name"] == "mesh.clock" or one["status"] == "ok" for one in seen.findings)


def test_commands_that_are_wrong_are_warned_of_and_the_others_work(seen: Seen) -> None:
    for name in ("returns-others", "commands-raise", "commands-odd"):
        assert f"clawmatrix: warning: plugin {name}: " in seen.warned


def test_a_command_that_fails_is_one_line_that_names_its_plugin(folder: Path) -> None:
    node = configured(folder, "home", (*BUILT_IN, "command-fails"))
    line = "clawmatrix: plugin command-fails: RuntimeError: the letter is wet (-vv shows where)\n"
    done = node.cli("deliver")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    done = node.cli("deliver", "-vv")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback ")


def start_each(
    folder: Path, names: tuple[str, ...], more: str = ""
) -> Iterator[tuple[str, NodeProcess]]:
    nodes = [configured(folder, name, (*BUILT_IN, name), more) for name in names]
    for node in nodes:
        node.start()
    yield from zip(names, nodes, strict=True)


def test_plugins_that_mean_to_end_the_process_end_it_in_order(folder: Path) -> None:
    for name, node in [*start_each(folder, ENDING)]:
        assert node.process is not None
        code = node.process.wait(30)
        assert (name, code) == (name, 5 if name == "start-refuses" else 1)
        last = node.log.splitlines()[-1]
        assert last.startswith(f"clawmatrix: plugin {name}: "), node.log
        assert "Traceback" not in node.log
    assert "name a chimney in [stork]" in (folder / "start-refuses.log").read_text()


def test_a_stop_that_is_held_up_ends_in_time_and_names_by_whom(folder: Path) -> None:
    nodes = [*start_each(folder, STOPPING, "stop_timeout = 1\n")]
    for name, node in nodes:
        wait_for(lambda node=node: " is up" in node.log, f"{name} is up\n{node.log}")  # type: ignore[misc]
    for _, node in nodes:
        assert node.process is not None
        node.process.send_signal(signal.SIGTERM)
    for name, node in nodes:
        assert node.process is not None
        assert node.process.wait(15) == 1
        told = rf"clawmatrix: not stopped within 1 s, held up by {name}: .+: ended\n"
        assert re.search(told, node.log), node.log


def test_a_node_with_all_of_them_serves_whatever_blocks_or_hangs(
    folder: Path, upstream: UpstreamProcess
) -> None:
    chosen = (*BUILT_IN, *(name for name in all_plugins() if name not in ENDING), TOMORROW)
    node = configured(folder, "all", chosen, "stop_timeout = 1\n", serving(upstream))
    node.start()
    assert node.process is not None
    try:
        wait_for(lambda: answers(node), f"it serves\n{node.log}")
        assert get(node, "/stork/blocks") == (200, {"ok": True})
        assert node.ask("stork.blocks") == "slow"

        def plugins() -> dict[str, Any]:
            return {entry["name"]: entry for entry in node.ask("plugins")["plugins"]}

        def named() -> bool:
            # Two that block one after the other are one stall, of the first: so ask again.
            missing = [name for name in STALLING if "blocked the event loop" not in fault(name)]
            for name in missing:
                if name in asked:
                    asked[name]()
            return not missing

        def fault(name: str) -> str:
            return str(plugins()[name].get("lastFault"))

        asked: dict[str, Callable[[], object]] = {
            "route-blocks": lambda: get(node, "/stork/blocks"),
            "method-blocks": lambda: node.ask("stork.blocks"),
            "status-blocks": lambda: node.ask("status", probe=False),
        }
        wait_for(named, "all that block are named", 60)
        assert {plugins()[name]["state"] for name in BUILT_IN} == {"active"}
        assert answers(node)
    finally:
        node.process.send_signal(signal.SIGTERM)
        code = node.process.wait(20)
    assert code == 0, node.log  # it was still starting: one of them hangs there


def test_an_api_that_no_plugin_has_is_a_mistake_of_the_configuration(folder: Path) -> None:
    table = (
        '[[model-proxy.models]]\nid = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'
        'api = "gemini:typo"\n'
    )
    node = configured(folder, "typo", (*BUILT_IN, "gemini"), tables=table)
    words = 'model-proxy.models[0].api: no plugin in use has the API "gemini:typo"; there are '
    done = node.cli("config", "check")
    assert (done.returncode, words in done.stderr) == (2, True)
    found = json.loads(node.cli("doctor", "--json").stdout)["checks"]
    assert any(one["status"] == "problem" and words in one["detail"] for one in found)
    done = node.cli("run")
    assert (done.returncode, 'has the API "gemini:typo"' in done.stderr) == (2, True)
