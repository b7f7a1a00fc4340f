"""Three real nodes, a friend who calls through all of them, and what an attack may cost.

Home and office dial the hub; office serves models of a small upstream, and the friend asks home
for them all the time. An attack goes on inside ``Lab.attacked``, which then judges it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from anyio.to_thread import run_sync

from tests.attacks import friend as friend_program
from tests.attacks.meters import Meter
from tests.integration.conftest import NodeProcess, UpstreamProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["MIB", "Access", "Call", "Cost", "Friend", "Lab", "running_lab"]

MIB = 1024 * 1024
CALM = 5.0
"""Seconds for which the friend calls before an attack."""
SLACK = 64 * MIB
"""What the memory of a node may differ by from before, once an attack is over."""
BACK = 60.0
"""Seconds in which it is so again."""
FAST = 0.25
"""Seconds for the slowest of a hundred calls, where five times the calm ones are fewer."""
REST = 3.0
"""Seconds for which the nodes are watched at the end: nothing is to keep them busy."""


@attrs.frozen
class Call:
    """One call of the friend."""

    began: float
    seconds: float
    status: int
    words: str


@attrs.frozen
class Friend:
    """Reads what the friend's process wrote."""

    file: Path

    def calls(self, since: float, until: float = float("inf")) -> list[Call]:
        """Return the calls that began in a time."""
        lines = self.file.read_text().split("\n")[:-1]
        calls = [Call(*json.loads(line)) for line in lines]
        return [call for call in calls if since <= call.began < until]


def slow(calls: list[Call]) -> float:
    """Return the seconds that 99 of 100 calls stay below."""
    return sorted(call.seconds for call in calls)[int(len(calls) * 0.99)]


@attrs.frozen
class Access:
    """The HTTP port of a node."""

    port: int
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@attrs.define
class Cost:
    """What one node had before an attack."""

    meter: Meter
    resident: int
    processor: float

    @classmethod
    def of(cls, node: NodeProcess) -> Cost:
        assert node.process is not None
        meter = Meter(node.process.pid)
        meter.forget_peak()
        return cls(meter, meter.resident, meter.processor)


@attrs.frozen
class Lab:
    """The nodes that an attack is made on.

    Attributes:
        nodes: hub, home and office, by name.
        http: the HTTP port of each.
        mesh_port: where the hub listens for other nodes.
        friend: who calls home for a model of office.
        make_node: makes one more node.
    """

    nodes: dict[str, NodeProcess]
    http: dict[str, Access]
    mesh_port: int
    friend: Friend
    upstream: UpstreamProcess
    make_node: Callable[[str, str], NodeProcess]

    @property
    def dial(self) -> str:
        """What has one more node dial the hub; the table of the mesh comes last."""
        peers = f'peers = ["ws://127.0.0.1:{self.mesh_port}"]'
        return f'[http]\nlisten = "127.0.0.1:0"\n[mesh]\n{peers}\n'

    def meter(self, name: str) -> Meter:
        process = self.nodes[name].process
        assert process is not None
        return Meter(process.pid)

    async def status(self, name: str) -> dict[str, Any]:
        """Return what ``status --json`` of a node says."""
        return dict(await self.cli(name, "status", "--json"))

    async def cli(self, name: str, *words: str) -> Any:
        """Return what a command prints as JSON."""
        done = await run_sync(self.nodes[name].cli, *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def refused(self, name: str) -> dict[str, int]:
        """Return what a node has refused, by reason."""
        status = await self.status(name)
        return {**status["http"]["refused"], **status["node"]["refused"]}

    @asynccontextmanager
    async def attacked(
        self, *, counted: Mapping[str, tuple[str, ...]], most: int = 0
    ) -> AsyncIterator[None]:
        """Judge what goes on inside: see the module.

        Args:
            counted: the reasons under which each node has to have counted the attack.
            most: bytes that a node may hold meanwhile by the bounds that it declares.
        """
        began = time.monotonic()
        await anyio.sleep(CALM)
        costs = {name: Cost.of(node) for name, node in self.nodes.items()}
        calm, attack = slow(self.friend.calls(began)), time.monotonic()
        yield
        seconds = time.monotonic() - attack
        await self._memory_is_back(costs)
        await self._is_at_rest()
        self._tell(costs, calm, attack, seconds)
        self._friend_was_served(calm, attack)
        for name, cost in costs.items():
            held = cost.meter.peak - cost.resident
            assert held < most + SLACK, f"{name} held {held // MIB} MiB more\n"
        for name in self.nodes:
            await self._nothing_taken_out(name)
        for name, reasons in counted.items():
            counts = await self.refused(name)
            assert not [reason for reason in reasons if not counts.get(reason)], (name, counts)

    async def _memory_is_back(self, costs: dict[str, Cost]) -> None:
        def back(cost: Cost) -> bool:
            return cost.meter.resident - cost.resident < SLACK

        for name, cost in costs.items():
            what = f"the memory of {name} is back to {cost.resident // MIB} MiB"
            await run_sync(partial(wait_for, partial(back, cost), what, BACK))

    async def _is_at_rest(self) -> None:
        before = {name: self.meter(name).processor for name in self.nodes}
        await anyio.sleep(REST)
        for name in self.nodes:
            used = self.meter(name).processor - before[name]
            assert used < REST / 2, f"{name} is still busy: {used:.1f} s in {REST:g} s"

    def _friend_was_served(self, calm: float, attack: float) -> None:
        calls = self.friend.calls(attack)
        assert calls
        assert [call for call in calls if call.status != 200] == []
        assert slow(calls) < max(5 * calm, FAST), f"{slow(calls):.3f} s, calm {calm:.3f} s"

    async def _nothing_taken_out(self, name: str) -> None:
        plugins = (await self.cli(name, "plugins", "list", "--json"))["plugins"]
        assert {one["name"]: one["state"] for one in plugins} == {
            one["name"]: "active" for one in plugins
        }
        assert (await self.status(name))["node"]["faults"] == {}

    def _tell(self, costs: dict[str, Cost], calm: float, attack: float, seconds: float) -> None:
        calls = self.friend.calls(attack)
        failed = sum(call.status != 200 for call in calls)
        print(
            f"\n{seconds:.0f} s; friend: {len(calls)} calls, {failed} failed,"
            f" p99 {slow(calls) * 1000:.0f} ms (calm {calm * 1000:.0f} ms),"
            f" longest {max(call.seconds for call in calls) * 1000:.0f} ms"
        )
        for name, cost in costs.items():
            meter, before = cost.meter, cost.resident
            print(
                f"  {name}: {before // MIB} MiB, peak +{(meter.peak - before) // MIB},"
                f" after {(meter.resident - before) // MIB:+d};"
                f" processor {meter.processor - cost.processor:.1f} s"
            )


def _office(upstream: UpstreamProcess, more: str) -> str:
    models = [f'[[model-proxy.models]]\nid = "{id_}"\nbase_url = "{upstream.base_url}"\n'
              for id_ in ("steady", "qwen3")]  # fmt: skip
    return "".join(models) + more


@contextmanager
def running_lab(
    make_node: Callable[[str, str], NodeProcess],
    upstream: UpstreamProcess,
    folder: Path,
    *,
    hub: str = "",
    office: str = "",
) -> Iterator[Lab]:
    """Run the nodes and the friend.

    Args:
        hub: more of the hub's configuration.
        office: more of office's.
    """
    port, listen = free_port(), '[http]\nlisten = "127.0.0.1:0"\n'
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n{listen}'
    nodes = {
        "hub": make_node("hub", f'[mesh]\nlisten = "127.0.0.1:{port}"\n{listen}{hub}'),
        "home": make_node("home", dial),
        "office": make_node("office", dial + _office(upstream, office)),
    }
    for node in nodes.values():
        node.start()
    nodes["home"].wait_for_status("office", "relay")
    access = {name: _access(node) for name, node in nodes.items()}
    friend, told = folder / "friend.jsonl", access["home"]
    assert friend_program.call(told.port, told.token, "office/steady") == (200, "")
    with friend.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, friend_program.__file__, str(told.port), "office/steady"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            env={**os.environ, "FRIEND_TOKEN": told.token},
        )
    try:
        yield Lab(nodes, access, port, Friend(friend), upstream, make_node)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _access(node: NodeProcess) -> Access:
    env = wait_for(lambda: node.ask("http.env"), f"{node.name} has an HTTP port")
    port = int(env["baseUrl"].split(":")[2].split("/")[0])
    return Access(port, env["token"])
