"""The plugins in the documentation, run as they stand there."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import types
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx2
import pytest
import trustme

import clawmatrix_core.cli
from clawmatrix_core import (
    Config,
    Connection,
    Listener,
    MemoryState,
    Node,
    StateFolder,
    Transport,
)
from clawmatrix_core.base.errors import ConnectionLost, DialError, ExchangeFailure
from clawmatrix_core.cli import ExitCode
from clawmatrix_core.testing.acceptance import (
    LINK_CHECKS,
    TRANSPORT_CHECKS,
    TransportCase,
    TransportCheck,
)
from clawmatrix_core.testing.fixtures import MeshFactory, NodeFactory, free_port, wait_until
from clawmatrix_http.plugin import HttpPlugin
from tests.tools.forking import commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path
    from types import ModuleType

LINES = {
    "dice.py": 38,
    "typed_dice.py": 32,
    "dice_commands.py": 40,
    "dice_http.py": 30,
    "dice_state.py": 22,
    "hookspecs.py": 11,
    "pigeons.py": 28,
    "hook_class.py": 27,
    "tcp.py": 45,
    "unix.py": 55,
}
"""What the examples have at most; blank lines are not counted."""
CONFTEST = 'pytest_plugins = ["clawmatrix_core.testing"]\n'
"""What the author of a plugin writes into the ``conftest.py`` beside the tests."""


def example(root: Path, name: str, page: str = "writing-plugins.md") -> str:
    text = (root / "docs" / page).read_text()
    pattern = rf"<!-- start {name} -->\n```python\n(.*?)```\n<!-- end {name} -->"
    [code] = re.findall(pattern, text, re.DOTALL)
    return str(code)


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Return what imports an example."""
    made: list[str] = []

    def run(name: str) -> ModuleType:
        file = tmp_path / name
        file.write_text(example(root, name))
        title = f"documented_{file.stem}"
        spec = importlib.util.spec_from_file_location(title, file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[title] = importlib.util.module_from_spec(spec)
        made.append(title)
        spec.loader.exec_module(module)
        return module

    yield run
    for title in made:
        del sys.modules[title]


@pytest.mark.parametrize("name", LINES)
def test_the_examples_are_short(name: str, root: Path) -> None:
    assert len([line for line in example(root, name).splitlines() if line.strip()]) <= LINES[name]


# --- the feature


@pytest.mark.anyio
async def test_dice_are_rolled_by_another_node(
    mesh: MeshFactory, load: Callable[[str], Any]
) -> None:
    dice = load("dice.py")
    dials = {"relay": [], "home": ["relay"], "office": ["relay"]}
    options: dict[str, Any] = {"plugins": [dice.DicePlugin], "config": {"dice": {"most": 5}}}
    async with mesh(dials, **options) as nodes:
        rolled = await dice.roll(nodes["home"], "office", 5)
        assert len(rolled) == 5
        assert all(1 <= number <= 6 for number in rolled)
        for wrong in (6, 0, "two"):
            with pytest.raises(ExchangeFailure, match="1 to 5 dice, please"):
                await dice.roll(nodes["home"], "office", wrong)
        sections = {s.name: s.read() for s in nodes["office"].status_sections()}
        assert sections["dice"] == {"rolled": 5}


def test_the_tests_in_the_documentation_pass(root: Path, tmp_path: Path) -> None:
    (tmp_path / "clawmatrix_dice.py").write_text(example(root, "dice.py"))
    (tmp_path / "test_dice.py").write_text(example(root, "test_dice.py", "testing-plugins.md"))
    [conftest] = re.findall(
        r"```python\n(# conftest.py.*?)```",
        (root / "docs" / "testing-plugins.md").read_text(),
        re.DOTALL,
    )
    (tmp_path / "conftest.py").write_text(conftest)
    assert "6 passed" in (out := run_tests(tmp_path)), out


def test_the_tests_of_a_restart_and_of_a_host_pass(root: Path, tmp_path: Path) -> None:
    (tmp_path / "dice_state.py").write_text(example(root, "dice_state.py"))
    for name in ("test_restart.py", "test_host.py"):
        (tmp_path / name).write_text(example(root, name, "testing-plugins.md"))
    (tmp_path / "conftest.py").write_text(CONFTEST)
    assert "3 passed" in (out := run_tests(tmp_path)), out  # that of a restart on both event loops


@pytest.mark.anyio
async def test_dice_are_rolled_by_classes(mesh: MeshFactory, load: Callable[[str], Any]) -> None:
    dice = load("typed_dice.py")
    async with mesh({"home": [], "office": ["home"]}, plugins=[dice.TypedDicePlugin]) as nodes:
        one, other = await dice.roll(nodes["home"], "office", 1, 6)
        assert one == 1
        assert 1 <= other <= 6
        rolled: type[object] = dice.Rolled
        for numbers, message in (
            ([1, 2, "six"], "roll.dice[2]: expected a whole number, not text"),
            ([1, 0], "roll.dice: must be a list, each > 0"),
        ):
            request = {"dice": numbers}
            async with nodes["home"].exchange("office", "roll", request, answer=rolled) as ex:
                with pytest.raises(ExchangeFailure) as caught:
                    await ex.receive()
            assert caught.value.code == "bad_request"
            assert str(caught.value) == message


# --- HTTP endpoints


@pytest.mark.anyio
async def test_the_endpoints_answer(load: Callable[[str], Any]) -> None:
    http, token = HttpPlugin(), "a-token-for-tests-only"
    table = {"listen": "127.0.0.1:0", "token": token}
    config = Config.from_mapping({"node_id": "a", "secret": "s" * 40, "http": table})
    plugins = [http, load("dice_http.py").DiceHttpPlugin()]
    async with Node(config, plugins=plugins, state=MemoryState()) as node:
        client = httpx2.AsyncClient(
            base_url=f"http://{http.address}", headers={"authorization": f"Bearer {token}"}
        )
        async with client:
            assert (await client.post("/dice", json={"sides": 1})).json() == {"rolled": 1}
            for wrong in ({"sides": "six"}, {"sides": 0}, "six", 6):
                assert (await client.post("/dice", json=wrong)).status_code == 400
            assert len((await client.get("/dice/3")).text.splitlines()) == 3
            assert (await client.get("/dice")).status_code == 405
            stranger = {"authorization": "Bearer no"}
            assert (await client.get("/dice/3", headers=stranger)).status_code == 401
        assert [info.last_fault for info in node.plugins.list() if info.faults] == []


# --- hooks of its own


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_plugin_calls_hooks_of_its_own(
    node_factory: NodeFactory,
    root: Path,
    load: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = types.ModuleType("pigeons")
    monkeypatch.setitem(sys.modules, "pigeons", package)
    package.hookspecs = load("hookspecs.py")  # type: ignore[attr-defined]
    module = load("pigeons.py")
    pigeons, loft = module.PigeonsPlugin(), module.LoftPlugin()
    async with node_factory("a", plugins=[pigeons, loft]):
        assert pigeons.perches == {"beam 2": "loft"}
        assert loft.seen == ["Martha"]


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_specifications_may_stand_in_a_class(
    node_factory: NodeFactory, load: Callable[[str], Any]
) -> None:
    module = load("hook_class.py")
    alarm = module.AlarmPlugin()
    async with node_factory("a", plugins=[alarm, module.TowerPlugin()]):
        assert alarm.bells == ["great bell"]


def test_the_specifications_pass_a_strict_type_checker(root: Path, tmp_path: Path) -> None:
    package = tmp_path / "pigeons"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "hookspecs.py").write_text(example(root, "hookspecs.py"))
    (package / "plugin.py").write_text(example(root, "pigeons.py"))
    (package / "hook_class.py").write_text(example(root, "hook_class.py"))
    # In a process of its own: mypy raises the recursion limit of the process that it runs in.
    options = ("--strict", "--config-file=", "--cache-dir", str(tmp_path / "cache"))
    command = [sys.executable, "-m", "mypy", *options, str(package)]
    ran = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=100, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


# --- state, a node without a file, event loops


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_what_is_counted_is_kept(
    node_factory: NodeFactory, load: Callable[[str], Any], tmp_path: Path
) -> None:
    module = load("dice_state.py")
    with StateFolder(tmp_path / "state") as state:
        for rolled in (0, 3, 6):
            plugin = module.CountingPlugin()
            async with node_factory("office", plugins=[plugin], state=state):
                assert plugin.rolled == rolled
                for _ in range(3):
                    plugin.count()
        assert state.read("dice") == {"rolled": 9}


@pytest.mark.anyio
@pytest.mark.faults_expected
async def test_state_of_another_shape_is_named(
    node_factory: NodeFactory, load: Callable[[str], Any]
) -> None:
    state = MemoryState()
    state.write("dice", [9])
    node = node_factory("office", plugins=[load("dice_state.py").CountingPlugin], state=state)
    async with node:
        [info] = [info for info in node.plugins.list() if info.name == "CountingPlugin"]
    assert "dice (in memory) is damaged: remove it" in str(info.reason)


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_node_runs_without_a_file(load: Callable[[str], Any], tmp_path: Path) -> None:
    run, dice = load("embedded.py").run, load("dice.py")
    assert await run("s" * 40, tmp_path, dice.DicePlugin()) == (
        f"mesh: ca {tmp_path}/certs/ca.pem cannot be read: No such file or directory"
    )
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    assert await run("s" * 40, tmp_path, dice.DicePlugin()) == "office runs"
    assert "dice" in await run("s" * 40, tmp_path)
    assert (await run("short", tmp_path)).startswith("secret: must have at least 32 characters")


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_what_runs_on_which_loop(root: Path, anyio_backend_name: str) -> None:
    text = (root / "docs" / "writing-plugins.md").read_text()
    [table] = re.findall(r"<!-- trio -->\n(.*?)\n<!-- end trio -->", text, re.DOTALL)
    documented = {}
    for row in table.splitlines()[2:]:
        _, names, on_asyncio, on_trio, _ = row.split("|")
        said = on_asyncio if anyio_backend_name == "asyncio" else on_trio
        for name in re.findall(r"`([\w-]+)`", names):
            documented[name] = re.findall(r"\w+", said)[0]
    tables = {"mesh": {"listen": "127.0.0.1:0"}, "http": {"listen": "127.0.0.1:0"}}
    config = Config.from_mapping({"node_id": "a", "secret": "s" * 40, **tables})
    async with Node(config, plugins=list(documented), state=MemoryState()) as node:
        found = {info.name: info.state for info in node.plugins.list() if info.name in documented}
    assert found == documented
    assert len(found) == 6


# --- the command


def install(folder: Path, module: str, plugin: str) -> None:
    """Put what an installed distribution leaves behind beside a module."""
    info = folder / "clawmatrix_dice-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clawmatrix-dice\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[clawmatrix.plugins]\ndice = {module}:{plugin}\n")


@pytest.fixture
def clawmatrix(root: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Return what runs a command line, beside a node that has the plugin of commands."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "dice_commands.py").write_text(example(root, "dice_commands.py"))
    install(site, "dice_commands", "DiceCommandPlugin")
    config = tmp_path / "clawmatrix.toml"
    core = f'node_id = "a"\nsecret = "{"s" * 40}"\nstate_dir = "state"\n'
    config.write_text(f'{core}plugins = ["control", "dice"]\n')
    config.chmod(0o600)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}
    options: dict[str, Any] = {"text": True, "env": environ, "cwd": tmp_path}
    command = [sys.executable, "-m", "clawmatrix_core.cli"]

    def run(*arguments: str) -> tuple[int, str, str]:
        ran = commands().run(arguments, cwd=tmp_path, env=environ)
        return ran.returncode, ran.stdout, ran.stderr

    assert run("dice")[0] == ExitCode.NOT_RUNNING
    with subprocess.Popen([*command, "run"], stdout=subprocess.PIPE, **options) as node:
        assert node.stdout is not None
        assert node.stdout.readline() == "node a is up\n"
        yield run
        node.terminate()
        assert node.wait(20) == 0


def test_the_command_asks_the_running_node(
    clawmatrix: Callable[..., tuple[int, str, str]],
) -> None:
    code, printed, told = clawmatrix("dice", "3", "--json")
    answer = json.loads(printed)
    assert (code, told) == (0, "")
    assert len(answer["rolled"]) == 3
    assert answer["sum"] == sum(answer["rolled"])
    code, printed, told = clawmatrix("dice", "2")
    assert 2 <= int(printed) <= 12
    assert (code, told) == (0, "")
    code, printed, told = clawmatrix("dice", "--at-least", "7")
    assert (code, printed) == (20, "")
    assert re.fullmatch(r"clawmatrix: [1-6] is less than 7\n", told)
    assert clawmatrix("dice", "0") == (2, "", "clawmatrix: count: expected 1 to 1000\n")


def test_the_names_for_commands_are_those_documented(root: Path) -> None:
    text = (root / "docs" / "writing-plugins.md").read_text()
    [names] = re.findall(r"from `clawmatrix_core.cli`: (.*?)\.\n", text, re.DOTALL)
    assert sorted(re.findall(r"`(\w+)`", names)) == sorted(clawmatrix_core.cli.__all__)


# --- the transport


@pytest.fixture
def cases(load: Callable[[str], Any]) -> Iterator[dict[str, TransportCase]]:
    """The transports of the page."""
    tcp, anywhere = load("tcp.py"), "tcp://127.0.0.1:0"
    nobody = f"tcp://127.0.0.1:{free_port()}"
    # The path of a Unix socket must be short: that of tmp_path may not be.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        one, other, none = (f"unix://{folder}/{name}" for name in ("one", "other", "nobody"))
        yield {
            "tcp": TransportCase(tcp.TcpTransport, anywhere, anywhere, nobody),
            "unix": TransportCase(load("unix.py").UnixTransport, one, other, none),
        }


@pytest.mark.anyio
@pytest.mark.both_loops
@pytest.mark.parametrize("check", TRANSPORT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("scheme", ["tcp", "unix"])
async def test_the_transport_passes(
    check: TransportCheck, scheme: str, cases: dict[str, TransportCase]
) -> None:
    await check(cases[scheme])


@pytest.mark.anyio
@pytest.mark.parametrize("check", LINK_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("scheme", ["tcp", "unix"])
async def test_links_over_the_transport_pass(
    check: TransportCheck, scheme: str, cases: dict[str, TransportCase]
) -> None:
    await check(cases[scheme])


@pytest.mark.anyio
async def test_nodes_link_over_the_transport(
    node_factory: NodeFactory, load: Callable[[str], Any]
) -> None:
    tcp = load("tcp.py")
    address = f"tcp://127.0.0.1:{free_port()}"
    listens = {"mesh": {"listen_url": address}}
    dials = {"mesh": {"listen_url": None, "peers": [address]}}
    a = node_factory("a", plugins=[tcp.TcpPlugin], config=listens)
    b = node_factory("b", plugins=[tcp.TcpPlugin], config=dials)
    async with a, b:
        await wait_until(lambda: b.reachable(a.id) and a.reachable(b.id))


@pytest.mark.anyio
async def test_a_stranger_is_held_to_the_limit(load: Callable[[str], Any]) -> None:
    transport = load("tcp.py").TcpTransport()
    async with transport.listen("tcp://127.0.0.1:0") as listener:
        dialled = await transport.dial(listener.addresses[0])
        accepted = await listener.accept()
        accepted.limit(1000)
        await dialled.send(bytes(1000))
        assert await accepted.receive() == bytes(1000)
        await dialled.send(bytes(1001))
        for _ in range(2):
            with pytest.raises(ConnectionLost, match="too large"):
                await accepted.receive()
        await accepted.close()
        await dialled.close()


@pytest.mark.parametrize("kind", [Connection, Listener, Transport], ids=lambda kind: kind.__name__)
def test_the_tables_name_every_member_of_a_transport(kind: type, root: Path) -> None:
    text = (root / "docs" / "writing-plugins.md").read_text()
    pattern = rf"<!-- {kind.__name__} members -->\n(.*?)\n<!-- end -->"
    [table] = re.findall(pattern, text, re.DOTALL)
    functions = {name: value for name, value in vars(kind).items() if inspect.isfunction(value)}
    signatures = {
        f"{name}({', '.join([*inspect.signature(function).parameters][1:])})"
        for name, function in functions.items()
    }
    members = {name for name in kind.__annotations__ if not name.startswith("_")} | signatures
    assert set(re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)[1:]) == members


def run_tests(folder: Path, *arguments: str) -> str:
    """Run the tests in a folder as an author of a plugin does, and return what they print."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=100
    )
    return ran.stdout


def test_the_two_nodes_in_the_documentation_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "clawmatrix_tcp.py").write_text(example(root, "tcp.py"))
    text = example(root, "test_two_nodes.py", "testing-plugins.md")
    (tmp_path / "test_two_nodes.py").write_text(text)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    assert "2 passed" in (out := run_tests(tmp_path)), out


@pytest.mark.parametrize(
    ("scheme", "checks"),
    [("tcp", TRANSPORT_CHECKS), ("unix", [*TRANSPORT_CHECKS, *LINK_CHECKS])],
)
def test_the_tests_of_a_transport_in_the_documentation_run(
    scheme: str, checks: list[TransportCheck], root: Path, tmp_path: Path
) -> None:
    (tmp_path / f"clawmatrix_{scheme}.py").write_text(example(root, f"{scheme}.py"))
    text = example(root, f"test_{scheme}.py", "testing-plugins.md")
    (tmp_path / f"test_{scheme}.py").write_text(text)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    collected = run_tests(tmp_path, "--collect-only")
    assert f"{2 * len(checks)} tests collected" in collected, collected
    out = run_tests(tmp_path, "-k", "whole_and_in_order or dialling_nobody or a_close_is_seen")
    assert "6 passed" in out, out


@asynccontextmanager
async def connected(module: Any) -> AsyncIterator[tuple[Any, Any]]:
    transport = module.TcpTransport()
    async with transport.listen("tcp://127.0.0.1:0") as listener:
        dialled = await transport.dial(listener.addresses[0])
        accepted = await listener.accept()
        yield dialled, accepted
        await dialled.close()


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_send_that_was_cancelled_leaves_whole_messages(load: Callable[[str], Any]) -> None:
    messages = [bytes([number]) * 1_000_000 for number in range(30)]
    async with connected(load("tcp.py")) as (dialled, accepted):
        cancelled = 0
        while not cancelled:
            with anyio.move_on_after(0.3) as scope:
                for message in messages:
                    await dialled.send(message)
            cancelled += scope.cancelled_caught
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dialled.send, b"last")
            while (message := await accepted.receive()) != b"last":
                assert message in messages


async def send_for_ever(connection: Any) -> None:
    while True:
        await connection.send(b"more")


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_failed_send_keeps_the_close_code(load: Callable[[str], Any]) -> None:
    async with connected(load("tcp.py")) as (dialled, accepted):
        await accepted.close(4001, "enough")
        with pytest.raises(ConnectionLost):
            await send_for_ever(dialled)
        with pytest.raises(ConnectionLost) as lost:
            await dialled.receive()
        assert (lost.value.code, str(lost.value)) == (4001, "connection closed (4001): enough")


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_close_that_is_cancelled_closes_the_socket(load: Callable[[str], Any]) -> None:
    async with connected(load("tcp.py")) as (dialled, accepted):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await dialled.close(4001)
        with pytest.raises(ConnectionLost):
            await accepted.receive()


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_close_for_a_message_that_is_too_large_says_so(load: Callable[[str], Any]) -> None:
    async with connected(load("tcp.py")) as (dialled, accepted):
        accepted.limit(10)
        await dialled.send(bytes(11))
        with pytest.raises(ConnectionLost, match="too large"):
            await accepted.receive()
        await accepted.close(1009, "too large")
        with pytest.raises(ConnectionLost) as lost:
            await dialled.receive()
        assert lost.value.code == 1009


@pytest.mark.anyio
async def test_dialling_nobody_says_so(load: Callable[[str], Any]) -> None:
    module = load("tcp.py")
    with pytest.raises(DialError, match="cannot be reached"):
        await module.TcpTransport().dial(f"tcp://127.0.0.1:{free_port()}")


@pytest.mark.anyio
async def test_a_node_takes_the_place_of_one_that_was_killed(
    cases: dict[str, TransportCase],
) -> None:
    case = cases["unix"]
    place = anyio.Path(case.address.removeprefix("unix://"))
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(place))
    sock.close()  # as a process that ends leaves it
    async with case.transport().listen(case.address):
        assert (await place.stat()).st_mode & 0o777 == 0o600
        with pytest.raises(OSError, match="in use"):
            async with case.transport().listen(case.address):
                pytest.fail("it took the place of a node that runs")
    assert not await place.exists()
    await place.touch()
    with pytest.raises(OSError, match="in use"):
        async with case.transport().listen(case.address):
            pytest.fail("it took the place of a file")
    assert await place.exists()
