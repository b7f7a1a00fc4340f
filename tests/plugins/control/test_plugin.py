"""The control plugin in a node, asked through its socket."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest
from trio.testing import MockClock

from clawmatrix_control.plugin import ControlPlugin
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.control.address import NOTE, control_socket_path
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.loading.contributions import ControlMethod, Offer, StatusSection
from clawmatrix_core.members.directory import Accepted, NodeRecord, SignedRecord
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.wire.routes import PathStatus
from clawmatrix_mesh.plugin import MeshPlugin

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SECRET = "s" * 40


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "user"))


def config_in(folder: Path, **more: Any) -> Config:
    raw = {"node_id": "office", "secret": SECRET, "state_dir": str(folder / "state"), **more}
    return Config.from_mapping(raw)


def node_of(config: Config, *more: object, **options: Any) -> Node:
    return Node(config, plugins=[ControlPlugin(), *more], watchdog=False, **options)


async def ask(config: Config, method: str, **params: Any) -> list[Any]:
    """Return the lines of the answer to one request."""
    line = json.dumps({"method": method, "params": params}).encode() + b"\n"
    data = b""
    async with await anyio.connect_unix(control_socket_path(config.state_dir)) as stream:
        await stream.send(line)
        try:
            with anyio.fail_after(20):
                while True:
                    data += await stream.receive()
        except anyio.EndOfStream:
            return [json.loads(line) for line in data.splitlines()]


async def result(config: Config, method: str, **params: Any) -> Any:
    [answer] = await ask(config, method, **params)
    return answer["result"]


class Extra:
    """A plugin with a method, sections and offers of its own."""

    plugin_name = "extra"

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        return [ControlMethod("extra", call=self._call), ControlMethod("status", call=self._call)]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        def broken() -> Any:
            raise ValueError("no reading")

        async def asked() -> Any:
            await anyio.lowlevel.checkpoint()
            return [1, 2]

        return [
            StatusSection("extra", lambda: {"x": 1}, text=lambda json: [f"x is {json['x']}"]),
            StatusSection("broken", broken, text=lambda json: ["never shown"]),
            StatusSection("peers", lambda: "mine"),
            StatusSection("asked", asked, text=lambda json: json[0].upper(), colour="green"),
            StatusSection("one", lambda: 1, text=lambda json: "one line"),
        ]

    @hookimpl
    def register_offers(self) -> list[Offer]:
        return [Offer("models", lambda: [{"id": "m"}])]

    async def _call(self, params: dict[str, Any]) -> Any:
        return {"extra": params}


async def test_the_status_of_a_node_alone(tmp_path: Path) -> None:
    config = config_in(tmp_path, tags=["gpu"])
    async with node_of(config):
        status = await result(config, "status")
        assert await result(config, "peers") == []
    assert (status["nodeId"], status["tags"], status["peers"]) == ("office", ["gpu"], [])
    assert status["node"]["faults"] == {}
    assert status["node"]["uptime"] >= 0


async def test_the_status_has_the_sections_of_plugins(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    async with node_of(config, Extra()):
        status = await result(config, "status")
        assert await result(config, "extra", a=1) == {"extra": {"a": 1}}
    assert status["extra"] == {"x": 1}
    assert status["broken"] == {"error": "plugin extra: ValueError: no reading"}
    assert status["peers"] == []
    assert status["asked"] == [1, 2]
    assert "lines" not in status
    assert "offers" not in status


async def test_the_status_for_people_has_lines_and_offers_besides(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    async with node_of(config, Extra()) as node:
        remember_peer(node, "lab", offers={"pigeons": [{"id": "coop"}], "models": []})
        bare, told = await result(config, "status"), await result(config, "status", text=True)
        [lab] = await result(config, "peers", text=True)
    assert told.keys() - bare.keys() == {"lines", "offers"}
    assert list(told["lines"]) == [
        {"text": "x is 1", "colour": None},
        {
            "text": "asked: no text, AttributeError: 'int' object has no attribute 'upper'",
            "colour": "red",
        },
        {"text": "one: no text, TypeError: gave a str, not a list of lines", "colour": "red"},
    ]
    assert lab["offers"] == {"models": [], "pigeons": ["coop"]}
    assert told["peers"] == [lab]
    assert bare["peers"] == [{key: value for key, value in lab.items() if key != "offers"}]


@pytest.mark.parametrize(
    "anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["virtual"]
)
async def test_a_section_that_takes_too_long_says_so() -> None:
    section = StatusSection("hangs", anyio.sleep_forever)
    assert await section.value() == {"error": "took over 5 s"}


async def test_the_hooks_with_who_implements_them_in_calling_order(tmp_path: Path) -> None:
    class Last:
        @hookimpl
        async def node_started(self) -> None: ...

    class First:
        @hookimpl(tryfirst=True)
        async def node_started(self) -> None: ...

    config = config_in(tmp_path)
    async with node_of(config, First(), Last()):
        hooks = {hook["name"]: hook for hook in (await result(config, "hooks"))["hooks"]}
    assert hooks["node_started"]["plugins"] == ["First", "Last"]
    assert hooks["node_started"]["async"] is True
    assert hooks["start_plugin"]["plugins"] == ["ControlPlugin"]
    assert hooks["register_http_routes"]["called"] is False


async def test_the_plugins_with_their_faults(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    node = node_of(config, Extra())
    async with node:
        for info in node.plugins.list():
            info.faults = 2
        entries = {e["name"]: e for e in (await result(config, "plugins"))["plugins"]}
    assert entries["extra"]["state"] == "active"
    assert entries["extra"]["faults"] == 2
    assert "register_status" in entries["extra"]["hooks"]


@pytest.mark.both_loops
async def test_a_node_answers_its_own_ping(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    node = node_of(config, MeshPlugin())
    async with node:
        answers = await ask(config, "ping", node="office", count=2, interval=0)
        async with node.exchange("office", "ping", {"n": 7}, complete=True) as exchange:
            answer = await exchange.receive()
    assert answers[-1] == {"end": True}
    items = [line["item"] for line in answers[:-1]]
    assert [(i["n"], i["ok"], i["status"]) for i in items] == [(1, True, "self"), (2, True, "self")]
    assert answer == {"n": 7}


async def test_a_ping_to_a_name_nobody_has(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    async with node_of(config):
        [answer] = await ask(config, "ping", node="offce")
        assert answer["error"]["code"] == "unknown_node"
        [answer] = await ask(config, "ping")
        assert answer["error"]["code"] == "bad_params"


async def test_the_socket_goes_with_the_node(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    path = control_socket_path(config.state_dir)
    async with node_of(config):
        assert (config.state_dir / NOTE).read_text() == f"{path}\n"
    assert not path.exists()
    assert not (config.state_dir / NOTE).exists()


async def test_a_node_in_memory_has_a_socket_only_if_it_has_a_folder(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    async with node_of(config, state=MemoryState()):
        assert (await result(config, "status"))["nodeId"] == "office"
    config = Config.from_mapping({"node_id": "office", "secret": SECRET})
    async with node_of(config, state=MemoryState()):
        assert not control_socket_path(config.state_dir).exists()
        assert not config.state_dir.exists()


class SlowPaths:
    """Answers a probe too late."""

    @hookimpl
    async def path_status(self, peer: NodeId, probe: bool) -> PathStatus | None:
        if probe:
            await anyio.sleep_forever()
        return PathStatus("relay", via=peer)


async def test_paths_that_are_not_confirmed_in_time_are_shown_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_control.plugin.PROBE_LIMIT", 0.05)
    config = config_in(tmp_path)
    async with node_of(config, SlowPaths()) as node:
        remember_peer(node, "lab")
        [lab] = await result(config, "peers")
        assert (lab["nodeId"], lab["status"], lab["reachableVia"]) == ("lab", "relay", "lab")
        assert await result(config, "peers", probe=False) == [lab]
        assert all(info.faults == 0 for info in node.plugins.list())


async def test_a_ping_that_gets_no_answer_says_so(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    async with node_of(config) as node:
        remember_peer(node, "lab")
        [item, end] = await ask(config, "ping", node="lab", count=1, timeout=0.05)
    assert end == {"end": True}
    assert item["item"] == {
        "nodeId": "lab",
        "n": 1,
        "ok": False,
        "error": "no answer within 0.05 s",
    }


def remember_peer(node: Node, name: str, **fields: Any) -> None:
    """Have the node take the record of another one."""
    identity = Identity.generate(os.urandom)
    keys = (identity.sign_public, identity.channel_public)
    sign_key, channel_key = (base64.b64encode(key).decode() for key in keys)
    record = NodeRecord(NodeId(name), sign_key, channel_key, epoch=1, seq=1, instance="i", **fields)
    assert node.accept_record(SignedRecord.make(record, identity)) is Accepted.NEWER


async def test_its_own_methods_are_those_it_names(tmp_path: Path) -> None:
    plugin = ControlPlugin()
    async with Node(config_in(tmp_path), plugins=[plugin], watchdog=False):
        assert tuple(plugin.methods) == plugin.own_methods
