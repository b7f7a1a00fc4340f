"""One plugin, one life of a node: every hook it gets, in order, as the documentation draws it."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.loading.specs import CORE
from clawmatrix_core.policy.record import AuditRecord, Receipt
from clawmatrix_core.testing.fixtures import SECRET, NodeFactory, wait_until
from tests.contract.every_hook import HOOKS, SPECS

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame

LIFE = [
    "register_config",
    "register_state_files",
    "register_transports",
    "register_control_methods",
    "register_status",
    "register_offers",
    "register_metrics",
    "start_plugin",
    "node_started",
    "peer_changed",
    "compute_routes",
    "link_opened",
    "routes_changed",
    "frame_received",
    "transit_received",
    "path_status",
    "register_checks",
    "authorize",
    "audit_record",
    "offers_changed",
    "config_changed",
    "link_closed",
    "peer_gone",
    "node_stopping",
]
RECORD = AuditRecord(
    event="begin", id="1", peer=NodeId("left"), key=None, action="tool", target="bell"
)
ONCE = [hook for hook in LIFE if hook.startswith(("register_", "start_", "node_"))]


class Recorder:
    """Writes down which hooks were called, each where it was called first."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    @property
    def log(self) -> list[str]:
        return list(self.calls)

    @hookimpl
    def register_config(self) -> list[Any]:
        self.calls["register_config"] += 1
        return []

    @hookimpl
    def register_state_files(self) -> list[Any]:
        self.calls["register_state_files"] += 1
        return []

    @hookimpl
    def register_transports(self) -> list[Any]:
        self.calls["register_transports"] += 1
        return []

    @hookimpl
    def register_control_methods(self) -> list[Any]:
        self.calls["register_control_methods"] += 1
        return []

    @hookimpl
    def register_status(self) -> list[Any]:
        self.calls["register_status"] += 1
        return []

    @hookimpl
    def register_offers(self) -> list[Any]:
        self.calls["register_offers"] += 1
        return []

    @hookimpl
    def register_metrics(self) -> list[Any]:
        self.calls["register_metrics"] += 1
        return []

    @hookimpl
    def register_checks(self) -> list[Any]:
        self.calls["register_checks"] += 1
        return []

    @hookimpl
    async def start_plugin(self) -> None:
        self.calls["start_plugin"] += 1

    @hookimpl
    async def node_started(self) -> None:
        self.calls["node_started"] += 1

    @hookimpl
    async def node_stopping(self) -> None:
        self.calls["node_stopping"] += 1

    @hookimpl
    @frame_types("echo")
    def frame_received(self) -> None:
        self.calls["frame_received"] += 1

    @hookimpl
    def transit_received(self) -> None:
        self.calls["transit_received"] += 1

    @hookimpl
    async def link_opened(self) -> None:
        self.calls["link_opened"] += 1

    @hookimpl
    async def link_closed(self) -> None:
        self.calls["link_closed"] += 1

    @hookimpl
    async def peer_changed(self) -> None:
        self.calls["peer_changed"] += 1

    @hookimpl
    async def peer_gone(self) -> None:
        self.calls["peer_gone"] += 1

    @hookimpl
    async def offers_changed(self) -> None:
        self.calls["offers_changed"] += 1

    @hookimpl
    async def config_changed(self) -> None:
        self.calls["config_changed"] += 1

    @hookimpl
    async def routes_changed(self) -> None:
        self.calls["routes_changed"] += 1

    @hookimpl
    def compute_routes(self) -> None:
        self.calls["compute_routes"] += 1

    @hookimpl
    async def path_status(self) -> None:
        self.calls["path_status"] += 1

    @hookimpl
    async def authorize(self) -> None:
        self.calls["authorize"] += 1

    @hookimpl
    async def audit_record(self) -> Receipt:
        self.calls["audit_record"] += 1
        return Receipt(b"")


class Echo:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("echo")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        return node.accept(frame, self.handle, self.scope)

    async def handle(self, ex: Exchange) -> None:
        await ex.finish(ex.request)


async def ask(node: Node, to: str) -> None:
    async with node.exchange(to, "echo", complete=True) as ex:
        await ex.receive()


async def reload_with_a_tag(node: Node) -> None:
    raw = {"node_id": node.id, "secret": SECRET, "tags": ["new"]}
    mesh = {"listen_url": f"memory://{node.id}"}
    await node.reload(Config.from_mapping({**raw, "mesh": mesh}))


@pytest.mark.anyio
async def test_hooks_fire_in_order(node_factory: NodeFactory) -> None:
    recorder = Recorder()
    async with node_factory("middle", plugins=[Echo, recorder]) as node:
        started = LIFE.index("node_started") + 1
        assert recorder.log[:started] == LIFE[:started]
        await wait_until(lambda: recorder.calls["compute_routes"])
        async with node_factory("left", dials=["middle"], plugins=[Echo]) as left:
            await wait_until(lambda: recorder.calls["routes_changed"])
            await ask(left, "middle")
            async with node_factory("right", dials=["middle"], plugins=[Echo]) as right:
                await wait_until(partial(left.reachable, right.id))
                await ask(left, "right")
                await node.path_status(left.id)
                node.checks()
                await node.authorize(left.id, left.identity.sign_public, "tool", "bell", None)
                await node.audit(RECORD)
                node.offers_changed()
                await wait_until(lambda: recorder.calls["offers_changed"])
                await reload_with_a_tag(node)
        await wait_until(lambda: recorder.calls["link_closed"] == 2)
        node.directory.forget(left.id)
        await wait_until(lambda: recorder.calls["peer_gone"])
    assert recorder.log == LIFE
    assert {hook: recorder.calls[hook] for hook in ONCE} == dict.fromkeys(ONCE, 1)


def test_that_life_has_every_hook_a_node_calls() -> None:
    of_the_core = {hook.name for hook in HOOKS.values() if hook.owner == CORE}
    assert {*LIFE} == of_the_core - {"register_commands"}


def test_the_diagram_in_the_documentation_is_that_life(root: Path) -> None:
    text = (root / "docs" / "hooks.md").read_text()
    [diagram] = re.findall(r"<!-- lifecycle -->\n```text\n(.*?)```", text, re.DOTALL)
    assert [word for word in re.findall(r"\w+", diagram) if word in SPECS] == LIFE
