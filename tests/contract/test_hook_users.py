"""Every hook, used by a plugin of a real node."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from starlette.responses import PlainTextResponse

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import AuditFailed, ConfigError, ExchangeFailure
from clawmatrix_core.base.metric import Metric, Sample
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.config.config import Config, ConfigSection, option
from clawmatrix_core.doctor.own_checks import all_checks
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.loading.contributions import (
    Check,
    ControlMethod,
    Finding,
    Offer,
    StatusSection,
    frame_types,
)
from clawmatrix_core.members.identity import key_text
from clawmatrix_core.policy.record import AuditRecord, Receipt
from clawmatrix_core.policy.verdict import LOCAL, Verdict
from clawmatrix_core.state.files import StateFile
from clawmatrix_core.state.folder import StateFolder
from clawmatrix_core.testing.fixtures import (
    SECRET,
    MeshFactory,
    NodeFactory,
    call_control,
    http_client,
    wait_until,
)
from clawmatrix_core.testing.memory import MemoryHub, MemoryTransport
from clawmatrix_core.wire.routes import PathStatus, Route
from clawmatrix_grants.api import ApprovalPending, ApprovalRequest, Question, permit
from clawmatrix_http.api import HttpRoute

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.members.directory import Peer
    from clawmatrix_core.wire.frames import Frame, Transit
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.wire.transport import Connection, Transport

PAIR: dict[str, list[str]] = {"a": [], "b": ["a"]}
LINE: dict[str, list[str]] = {"a": [], "b": ["a"], "c": ["a"]}


@attrs.frozen
class PigeonConfig:
    loft: str = option(default="home", doc="Where the pigeons return to.")


class PigeonTransport(MemoryTransport):
    schemes = ("pigeon",)

    async def dial(self, address: str) -> Connection:
        return await super().dial(address.replace("pigeon://", "memory://"))


class Pigeons:
    """A plugin that implements every hook, and keeps what it was told."""

    extends = ("http", "grants")

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.kind = "coop"
        self.hub = MemoryHub()
        self.scope: PluginScope | None = None

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        return [ConfigSection("pigeon", PigeonConfig)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        return [StateFile("pigeons", upgrades=(lambda names: {"names": names},))]

    @hookimpl
    def register_transports(self) -> list[Transport]:
        return [PigeonTransport(self.hub)]

    @hookimpl
    def register_http_routes(self, node: Node) -> list[HttpRoute]:
        async def coo(request: Request) -> Response:
            return PlainTextResponse(f"coo from {node.id}")

        return [HttpRoute("/coo", ("GET",), coo)]

    @hookimpl
    def register_control_methods(self) -> list[ControlMethod]:
        async def count(params: dict[str, Any]) -> Any:
            return {"pigeons": params["of"]}

        return [ControlMethod("count", call=count)]

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        return [StatusSection("pigeons", lambda: {"kind": self.kind})]

    @hookimpl
    def register_offers(self) -> list[Offer]:
        return [Offer("pigeons", lambda: [{"id": self.kind}])]

    @hookimpl
    def register_metrics(self, node: Node) -> list[Metric]:
        def letters() -> list[Sample]:
            return [Sample(3, (node.id,))]

        return [Metric("pigeon_letters_total", "counter", "Letters.", letters, ("by",))]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        async def look() -> list[Finding]:
            where = f"{config.node_id}: {'at rest' if node is None else 'in the air'}"
            return [Finding("pigeons", "warning", where, f"feed {self.kind}")]

        return [Check("pigeons", look)]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self.told[f"start of {node.id}"] += 1
        self.scope = scope

    @hookimpl
    async def node_started(self, node: Node) -> None:
        self.told[f"{node.id} is up"] += 1

    @hookimpl
    async def node_stopping(self, node: Node) -> None:
        self.told[f"{node.id} stops"] += 1

    @hookimpl
    @frame_types("pigeon")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        if self.scope is None or frame.payload == "hawk":
            return node.refuse(frame, "no_hawks", "this is a coop")
        return node.accept(frame, self.answer, self.scope)

    async def answer(self, ex: Exchange) -> None:
        await ex.finish(f"{ex.request} from {ex.peer}")

    @hookimpl
    def transit_received(self, transit: Transit) -> None:
        self.told[f"{transit.header.source} to {transit.header.to}"] += 1

    @hookimpl
    async def link_opened(self, link: Link) -> None:
        self.told[f"link to {link.peer}"] += 1

    @hookimpl
    async def link_closed(self, link: Link, reason: str) -> None:
        self.told[f"no link to {link.peer}: {bool(reason)}"] += 1

    @hookimpl
    async def peer_changed(self, peer: Peer) -> None:
        self.told[f"{peer.node_id}: {peer.record.offers.get('pigeons')}"] += 1

    @hookimpl
    async def peer_gone(self, peer: Peer) -> None:
        self.told[f"{peer.node_id} is gone"] += 1

    @hookimpl
    async def offers_changed(self) -> None:
        self.told["offers"] += 1

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        self.told.update(changed)

    @hookimpl
    async def routes_changed(self, changed: frozenset[NodeId]) -> None:
        self.told.update(f"route to {name}" for name in changed)

    @hookimpl
    def compute_routes(self, node: Node) -> Mapping[NodeId, Route] | None:
        if self.kind != "homing":
            return None
        return {peer: Route(peer, 1.0, 1) for peer in node.links}

    @hookimpl
    async def path_status(self, peer: NodeId, probe: bool) -> PathStatus | None:
        return PathStatus("relay", reason=f"{probe}") if peer == "moon" else None

    @hookimpl
    async def authorize(
        self, peer: NodeId, key: str | None, arguments: Mapping[str, JSON] | None
    ) -> Verdict | None:
        self.told[str(key)] += 1
        if peer == "moon" and arguments == {"loud": True}:
            return Verdict("allow", "the moon may coo", "pigeons.moon")
        return None

    @hookimpl
    async def audit_record(self, record: AuditRecord) -> Receipt:
        if record.peer != "moon":
            raise ValueError("pigeons write only of the moon")
        return Receipt(f"{record.event} {record.target}".encode())

    @hookimpl
    async def approval_requested(self, request: ApprovalRequest) -> None:
        self.told[f"{request.peer} would {request.target}"] += 1


pytestmark = pytest.mark.anyio


# --- registration


async def test_hook_register_config(node_factory: NodeFactory) -> None:
    plugins = [Pigeons()]
    config = {"pigeon": {"loft": "tower"}}
    async with node_factory("a", built_in=(), plugins=plugins, config=config) as node:
        assert node.config.section(PigeonConfig).loft == "tower"
    wrong = {"pigeon": {"lofts": "tower"}}
    with pytest.raises(ConfigError, match=r"pigeon\.lofts"):
        async with node_factory("a", built_in=(), plugins=[Pigeons()], config=wrong):
            pass


async def test_hook_register_state_files(node_factory: NodeFactory, tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state:
        state.write("pigeons", ["Martha"])
    told = {"node_id": "a", "secret": SECRET, "state_dir": str(tmp_path)}

    def make() -> Node:
        return Node(Config.from_mapping(told), plugins=[Pigeons()])

    async with make() as node:
        assert node.state.read("pigeons") == {"names": ["Martha"]}
        node.state.write("pigeons", {"names": ["Martha", "Cher Ami"]})
    async with make() as node:
        assert node.state.read("pigeons") == {"names": ["Martha", "Cher Ami"]}


def test_hook_register_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["trust", "--help"]) == 0
    assert "accept" in capsys.readouterr().out
    registry = PluginRegistry()
    registry.load()
    assert ("mesh", "trust") in [(name, command.name) for name, command in registry.commands()]


async def test_hook_register_transports(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    pigeons.hub = node_factory.hub
    config = {"mesh": {"peers": ["pigeon://a"]}}
    b = node_factory("b", plugins=[pigeons], config=config)
    async with node_factory("a"), b:
        assert "pigeon" in b.transports
        await wait_until(lambda: "a" in b.links)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # uvicorn runs on nothing else
async def test_hook_register_http_routes(node_factory: NodeFactory) -> None:
    node = node_factory("a", built_in=("http",), plugins=[Pigeons()])
    async with node, http_client(node) as client:
        answer = await client.get("/coo")
        assert (answer.status_code, answer.text) == (200, "coo from a")
        del client.headers["x-api-key"]
        assert (await client.get("/coo")).status_code == 401


async def test_hook_register_control_methods(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[Pigeons()]) as node:
        assert len(node.control_methods()) > 1  # those of the mesh plugin, too
        assert await call_control(node, "count", {"of": 3}) == {"pigeons": 3}


async def test_hook_register_status(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[Pigeons()]) as node:
        sections = {section.name: section.read() for section in node.status_sections()}
        assert sections["pigeons"] == {"kind": "coop"}
        assert sections.keys() >= {"mesh", "relay"}


async def test_hook_register_offers(mesh: MeshFactory) -> None:
    async with mesh(PAIR, plugins=[Pigeons]) as nodes:
        a, b = nodes["a"], nodes["b"]
        known = b.directory.get(a.id)
        assert known is not None
        assert known.record.offers["pigeons"] == [{"id": "coop"}]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # uvicorn runs on nothing else
async def test_hook_register_metrics(node_factory: NodeFactory) -> None:
    built_in = ("http", "model-proxy")
    node = node_factory("a", built_in=built_in, plugins=[Pigeons()])
    async with node, http_client(node) as client:
        lines = (await client.get("/metrics")).text.splitlines()
        assert 'pigeon_letters_total{by="a"} 3.0' in lines
        assert "clawmatrix_links 0.0" in lines
        assert "# TYPE clawmatrix_model_calls_total counter" in lines


async def test_hook_register_checks(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[Pigeons()]) as node:
        checks = all_checks(node.config, node.plugins, node)
        found = {finding.name: finding for finding in await run_checks(checks)}
        assert found["pigeons"] == Finding("pigeons", "warning", "a: in the air", "feed coop")
        assert found.keys() >= {"mesh.listen", "relay.path", "plugins"}
        registry = PluginRegistry()
        registry.add(Pigeons())
        spec = hookspecs.register_checks
        [(_, check)] = registry.collect(spec, Check, config=node.config, node=None)
        assert [finding.detail for finding in await check.run()] == ["a: at rest"]


# --- life


async def test_hook_start_plugin(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]):
        assert pigeons.told["start of a"] == 1
        assert pigeons.scope is not None


async def test_hook_node_started(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]):
        assert pigeons.told["a is up"] == 1


async def test_hook_node_stopping(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]):
        assert pigeons.told["a stops"] == 0
    assert pigeons.told["a stops"] == 1


# --- frames


async def test_hook_frame_received(mesh: MeshFactory) -> None:
    async with mesh(PAIR, plugins=[Pigeons]) as nodes:
        async with nodes["a"].exchange("b", "pigeon", "letter", complete=True) as ex:
            assert await ex.receive() == "letter from a"
        with pytest.raises(ExchangeFailure, match="coop") as raised:
            async with nodes["a"].exchange("b", "pigeon", "hawk", complete=True) as ex:
                await ex.receive()
    assert raised.value.code == "no_hawks"


async def test_hook_transit_received(mesh: MeshFactory) -> None:
    async with mesh(LINE, plugins=[Pigeons]) as nodes:
        async with nodes["b"].exchange("c", "pigeon", "letter", complete=True) as ex:
            assert await ex.receive() == "letter from b"
        info = nodes["a"].plugins.get("Pigeons")
        assert info is not None
        assert isinstance(info.plugin, Pigeons)
        assert info.plugin.told["b to c"] > 0
        assert info.plugin.told["c to b"] > 0


# --- events


async def test_hook_link_opened(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]), node_factory("b", dials=["a"]):
        await wait_until(lambda: pigeons.told["link to b"] == 1)


async def test_hook_link_closed(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]):
        async with node_factory("b", dials=["a"]):
            await wait_until(lambda: pigeons.told["link to b"])
            assert pigeons.told["no link to b: True"] == 0
        await wait_until(lambda: pigeons.told["no link to b: True"] == 1)


async def test_hook_peer_changed(node_factory: NodeFactory) -> None:
    pigeons, theirs = Pigeons(), Pigeons()
    async with (
        node_factory("a", plugins=[pigeons]),
        node_factory("b", dials=["a"], plugins=[theirs]) as b,
    ):
        await wait_until(lambda: pigeons.told["b: [{'id': 'coop'}]"])
        theirs.kind = "racing"
        b.offers_changed()
        await wait_until(lambda: pigeons.told["b: [{'id': 'racing'}]"])


async def test_hook_peer_gone(node_factory: NodeFactory) -> None:
    pigeons, theirs = Pigeons(), Pigeons()
    a = node_factory("a", plugins=[pigeons])
    async with a, node_factory("b", dials=["a"], plugins=[theirs]) as b:
        await wait_until(lambda: pigeons.told["b: [{'id': 'coop'}]"])
        theirs.kind = "racing"
        b.offers_changed()
        await wait_until(lambda: pigeons.told["b: [{'id': 'racing'}]"])
        assert pigeons.told["b is gone"] == 0  # a newer record only took the place of the last one
        assert a.expel(b.identity.sign_public) == ["b"]
        await wait_until(lambda: pigeons.told["b is gone"] == 1)


async def test_hook_offers_changed(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]) as node:
        node.offers_changed()
        await wait_until(lambda: pigeons.told["offers"] == 1)


async def test_hook_routes_changed(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]):
        async with node_factory("b", dials=["a"]):
            await wait_until(lambda: pigeons.told["route to b"] == 1)
        await wait_until(lambda: pigeons.told["route to b"] == 2)


# --- questions


async def test_hook_compute_routes(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    pigeons.kind = "homing"
    a = node_factory("a", plugins=[pigeons])
    b, c = node_factory("b", dials=["a"]), node_factory("c", dials=["b"])
    async with a, b, c:
        await wait_until(partial(c.reachable, a.id))
        assert a.routes == {"b": Route(NodeId("b"), 1.0, 1)}  # nothing beyond a flight
        pigeons.kind = "coop"
        b.offers_changed()  # its record is written anew, and routes are computed after that
        await wait_until(lambda: a.routes.keys() == {"b", "c"})


async def test_hook_path_status(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[Pigeons()]) as node:
        moon = await node.path_status(NodeId("moon"), probe=True)
        assert (moon.status, moon.reason) == ("relay", "True")
        assert (await node.path_status(NodeId("sun"))).status == "unreachable"
        with anyio.fail_after(5):
            asked = await node.hooks.first(hookspecs.path_status, peer=NodeId("moon"), probe=False)
        assert asked == PathStatus("relay", reason="False")


# --- policy


async def test_hook_authorize(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    async with node_factory("a", plugins=[pigeons]) as node:
        key = node.identity.sign_public
        moon = await node.authorize("moon", key, "tool", "coo", {"loud": True})
        assert moon == Verdict("allow", "the moon may coo", "pigeons.moon", "Pigeons")
        assert pigeons.told[key_text(key)] == 1
        assert (await node.authorize("sun", key, "tool", "coo", None)).effect == "deny"
        assert (await node.authorize("sun", key, "model", "coo", None)).effect == "allow"


@pytest.mark.faults_expected
async def test_hook_audit_record(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[Pigeons()]) as node:
        moon = AuditRecord(
            event="begin", id="1", peer=NodeId("moon"), key=None, action="tool", target="coo"
        )
        assert await node.audit(moon) == [Receipt(b"begin coo", "Pigeons")]
        with pytest.raises(AuditFailed, match=r"plugin Pigeons: .* only of the moon"):
            await node.audit(attrs.evolve(moon, peer=NodeId("sun")))


async def test_hook_approval_requested(node_factory: NodeFactory) -> None:
    pigeons = Pigeons()
    config = {
        "grants": {"@local": {"rules": [{"ask": ["coo"]}]}},
        "approvals": {"wait": 0},
    }
    async with node_factory("a", built_in=["grants"], plugins=[pigeons], config=config) as node:
        with pytest.raises(ApprovalPending):
            await permit(node, Question(LOCAL, None, "tool", "coo", {}))
        await wait_until(lambda: pigeons.told["@local would coo"] == 1)
