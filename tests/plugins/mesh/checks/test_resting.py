"""What ``clawmatrix doctor`` finds where no node runs, each fault made for real."""

from __future__ import annotations

import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.clock import Clock
from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.identity import Identity, load_identity
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState, StateFolder
from clawmatrix_core.testing.fixtures import SECRET, free_port, wait_until
from clawmatrix_mesh.checks.resting import resting_checks
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.plugin import MeshPlugin
from tests.plugins.mesh.conftest import LIMITS, address_of
from tests.plugins.mesh.websocket.test_tls import Files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from anyio.abc import SocketStream

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.loading.contributions import Finding

pytestmark = pytest.mark.anyio

OTHER = "another secret of a mesh that exists in tests only"


def running(name: str = "hub", *, clock: Clock | None = None, **raw: Any) -> Node:
    mesh = {"listen": "127.0.0.1:0", **raw.pop("mesh", {})}
    config = Config.from_mapping({"node_id": name, "secret": SECRET, "mesh": mesh, **raw})
    plugins = [MeshPlugin(limits=LIMITS), "relay"]
    return Node(config, plugins=plugins, state=MemoryState(), clock=clock)


def at_rest(
    folder: Path, *, secret: str = SECRET, previous: str | None = None, **mesh: Any
) -> Config:
    """Return the configuration of a node that has been started before, and does not run."""
    with StateFolder(folder) as state:
        load_identity(state)
    raw: dict[str, Any] = {"node_id": "own", "secret": secret, "state_dir": str(folder)}
    raw |= {"mesh": mesh, "previous_secrets": [previous] if previous else []}
    config = Config.from_mapping(raw)
    config.bind([ConfigSection("mesh", MeshConfig)])
    return config


async def found(config: Config, name: str = "mesh.peer", *, limit: float = 5.0) -> list[Finding]:
    checks = resting_checks(config, limit=limit)
    return [finding for finding in await run_checks(checks) if finding.name == name]


async def peer(config: Config, *, limit: float = 5.0) -> tuple[str, str, str]:
    [finding] = await found(config, limit=limit)
    return finding.status, finding.detail, str(finding.advice)


@asynccontextmanager
async def serving(answer: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Run a TCP server of no node."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = int(listener.extra(anyio.abc.SocketAttribute.local_port))

    async def attend(stream: SocketStream) -> None:
        async with stream:
            await answer(stream)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, attend)
        yield port
        tasks.cancel_scope.cancel()


# --- peers


async def test_a_peer_with_the_same_secret_answers_and_lets_nobody_in(tmp_path: Path) -> None:
    async with running() as hub:
        config = at_rest(tmp_path, peers=[address_of(hub)])
        status, detail, _ = await peer(config)
        assert (status, detail) == (
            "ok",
            f"{address_of(hub)}: hub answers, and has the same secret",
        )
        assert (hub.links, dict(hub.counters)) == ({}, {})
        [clock] = await found(config, "mesh.clock")
        assert clock.status == "ok"


async def test_a_node_without_a_key_learns_whether_the_secret_is_right_and_leaves_no_trace(
    tmp_path: Path,
) -> None:
    async with running() as hub:
        config = at_rest(tmp_path, peers=[address_of(hub)])
        (tmp_path / "identity.json").unlink()
        status, detail, _ = await peer(config)
        assert status == "ok", detail
        assert "did not refuse the secret" in detail
        assert hub.trust.entries() == []
        wrong = at_rest(tmp_path, peers=[address_of(hub)], secret=OTHER)
        (tmp_path / "identity.json").unlink()
        assert (await peer(wrong))[0] == "problem"
        assert not (tmp_path / "identity.json").exists()


async def test_another_secret_is_told_apart_from_a_peer_that_is_not_there(tmp_path: Path) -> None:
    async with running() as hub:
        config = at_rest(tmp_path, peers=[address_of(hub)], secret=OTHER)
        status, detail, advice = await peer(config)
    assert status == "problem"
    assert detail.endswith("has another secret than this node")
    assert "clawmatrix secret use" in advice
    status, detail, advice = await peer(config)
    assert status == "problem"
    assert "connection refused" in detail
    assert "start the node there" in advice


async def test_a_peer_that_takes_only_an_earlier_secret_is_a_warning(tmp_path: Path) -> None:
    async with running(secret=OTHER) as hub:
        config = at_rest(tmp_path, peers=[address_of(hub)], previous=OTHER)
        status, detail, _ = await peer(config)
    assert (status, "takes only a secret of before" in detail) == ("warning", True)


async def test_a_name_that_does_not_resolve_is_told(tmp_path: Path) -> None:
    status, detail, advice = await peer(at_rest(tmp_path, peers=["ws://nowhere.invalid:19000"]))
    assert (status, "does not resolve" in detail) == ("problem", True)
    assert "name server" in advice


async def test_a_socket_that_listens_and_stays_silent_is_told(tmp_path: Path) -> None:
    async def silent(_: SocketStream) -> None:
        await anyio.sleep_forever()

    async with serving(silent) as port:
        config = at_rest(tmp_path, peers=[f"ws://127.0.0.1:{port}"])
        status, detail, advice = await peer(config, limit=0.3)
    assert (status, "no answer from" in detail) == ("problem", True)
    assert "firewall" in advice


async def test_another_web_server_is_no_node(tmp_path: Path) -> None:
    async def answer(stream: SocketStream) -> None:
        await stream.receive()
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

    async with serving(answer) as port:
        config = at_rest(tmp_path, peers=[f"ws://127.0.0.1:{port}"])
        status, detail, advice = await peer(config)
    assert (status, "is not a ClawMatrix node: it answers HTTP 200" in detail) == ("problem", True)
    assert "another program listens there" in advice


async def test_a_certificate_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    files = Files(tmp_path)
    async with running(mesh=files.server()) as hub:
        state = tmp_path / "state"
        status, detail, advice = await peer(at_rest(state, peers=[address_of(hub)]))
        assert (status, "is not trusted" in detail) == ("problem", True)
        assert "[mesh] ca" in advice
        trusting = at_rest(state, peers=[address_of(hub)], ca=str(files.ca))
        assert (await peer(trusting))[0] == "ok"
        plain = address_of(hub).replace("wss:", "ws:")
        status, detail, advice = await peer(at_rest(state, peers=[plain]))
        assert (status, detail, "wss://" in advice) == ("problem", detail, True)


async def test_a_peer_that_shows_another_key_than_before_is_told(tmp_path: Path) -> None:
    async with running() as hub:
        config = at_rest(tmp_path, peers=[address_of(hub)])
        with StateFolder(tmp_path) as state:
            other = Identity.generate().sign_public
            TrustStore(state).check(hub.id, other, proven=True, now=1.0)
        status, detail, advice = await peer(config)
    assert (status, "hub shows another key" in detail) == ("problem", True)
    assert "clawmatrix trust accept" in advice


async def test_a_peer_that_knows_this_name_by_another_key_is_told(tmp_path: Path) -> None:
    async with running() as hub, running("own", mesh={"peers": [address_of(hub)]}) as other:
        await wait_until(lambda: other.id in hub.links)
        status, detail, _ = await peer(at_rest(tmp_path, peers=[address_of(hub)]))
    assert (status, "knows another key under this node's name" in detail) == ("problem", True)


async def test_known_keys_that_cannot_be_read_are_told_in_place_of_the_peers(
    tmp_path: Path,
) -> None:
    async with running() as hub:
        config = at_rest(tmp_path, peers=[address_of(hub)])
        with StateFolder(tmp_path) as state:
            state.write("trust", ["nothing"])
        status, detail, _ = await peer(config)
    assert (status, "trust.json is damaged" in detail) == ("skipped", True)


async def test_an_address_of_another_plugins_transport_is_left_to_the_node(tmp_path: Path) -> None:
    status, detail, _ = await peer(at_rest(tmp_path, peers=["pigeon://coop"]))
    assert (status, "start the node" in detail) == ("skipped", True)


async def test_a_clock_that_is_off_is_told_with_how_much_and_whose(tmp_path: Path) -> None:
    late = Clock(wall=lambda: time.time() - 312)
    async with running(clock=late) as hub, running("good") as good:
        config = at_rest(tmp_path, peers=[address_of(hub), address_of(good)])
        [clock] = await found(config, "mesh.clock")
    assert (clock.status, clock.detail) == (
        "problem",
        "the clock of hub is 312 s behind this node's",
    )
    assert "time server" in str(clock.advice)


# --- listening


async def test_a_free_port_is_free_and_left_free(tmp_path: Path) -> None:
    port = free_port()
    for _ in range(2):
        [listen] = await found(at_rest(tmp_path, listen=f"127.0.0.1:{port}"), "mesh.listen")
        assert (listen.status, listen.detail) == ("ok", f"ws://127.0.0.1:{port} is free")


async def test_a_port_that_another_program_has_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        config = at_rest(tmp_path, listen=address)
        [listen] = await found(config, "mesh.listen", limit=0.3)
    assert (listen.status, listen.detail) == (
        "problem",
        f"ws://{address} is taken, by another program",
    )


@pytest.mark.parametrize(
    ("secret", "who"),
    [(SECRET, "by the node hub"), (OTHER, "by a ClawMatrix node of another mesh")],
)
async def test_a_port_that_another_node_has_is_told(tmp_path: Path, secret: str, who: str) -> None:
    async with running() as hub:
        listen = address_of(hub).removeprefix("ws://")
        config = at_rest(tmp_path, listen=listen, secret=secret)
        [listening] = await found(config, "mesh.listen")
    assert (listening.status, listening.detail.partition(", ")[2]) == ("problem", who)


async def test_a_port_that_this_node_itself_has_is_told(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state:
        config = Config.from_mapping(
            {"node_id": "own", "secret": SECRET, "mesh": {"listen": "127.0.0.1:0"}}
        )
        plugins = [MeshPlugin(limits=LIMITS)]
        async with Node(config, plugins=plugins, state=state) as own:
            told = Config.from_mapping(
                {
                    "node_id": "own",
                    "secret": SECRET,
                    "state_dir": str(tmp_path),
                    "mesh": {"listen": address_of(own).removeprefix("ws://")},
                }
            )
            told.bind([ConfigSection("mesh", MeshConfig)])
            [listen] = await found(told, "mesh.listen")
            assert own.counters["twin"] == 0
    assert listen.detail.endswith("by this node itself, which runs already")


async def test_an_address_of_another_machine_is_told(tmp_path: Path) -> None:
    [listen] = await found(at_rest(tmp_path, listen="192.0.2.1:19000"), "mesh.listen")
    assert (listen.status, "cannot be bound" in listen.detail) == ("problem", True)
    assert "an address of this machine" in str(listen.advice)


async def test_a_certificate_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    config = at_rest(tmp_path, listen="127.0.0.1:0", tls_cert=str(tmp_path / "nowhere.pem"))
    [tls] = await found(config, "mesh.tls")
    assert (tls.status, "cannot be read" in tls.detail) == ("problem", True)


# --- keys


async def test_keys_that_were_shown_under_a_known_name_are_told(tmp_path: Path) -> None:
    config = at_rest(tmp_path)
    [keys] = await found(config, "mesh.keys")
    assert keys.status == "ok"
    with StateFolder(tmp_path) as state:
        trust = TrustStore(state)
        one, other = Identity.generate(), Identity.generate()
        name: NodeId = config.node_id
        for identity in (one, other):
            trust.check(name, identity.sign_public, proven=True, now=1e9)
        trust.flush()
    [keys] = await found(config, "mesh.keys")
    assert (keys.status, "another key was shown as own" in keys.detail) == ("problem", True)
    assert f"clawmatrix trust accept own {other.fingerprint}" in str(keys.advice)
