"""What stands in front of the port of the mesh: reverse proxies, and who asks for ``/healthz``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.forwarded import Proxies
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.websocket.front import Front
from clawmatrix_mesh.websocket.transport import WebSocketTransport
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.wire import port_of

if TYPE_CHECKING:
    from anyio.abc import SocketStream

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

UPGRADE = (
    "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
CLIENT = "x-forwarded-for: 198.51.100.66, 192.0.2.7\r\n"


async def ask(port: int, request: str) -> str:
    """Send a request; return the answer, of a WebSocket its head."""
    stream: SocketStream
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request.encode())
        data = b""
        with anyio.fail_after(10):
            try:
                while b" 101 " not in data:
                    data += await stream.receive()
            except anyio.EndOfStream:
                pass
    return data.decode()


def head(path: str = "/", more: str = "", version: str = "1.1") -> str:
    return f"GET {path} HTTP/{version}\r\nhost: x\r\n{more}\r\n"


@pytest.mark.parametrize(
    ("proxies", "remote"),
    [
        ((), "127.0.0.1:"),
        (("192.0.2.0/24",), "127.0.0.1:"),
        (("127.0.0.0/8",), "192.0.2.7:0"),
        (("127.0.0.0/8", "192.0.2.0/24"), "198.51.100.66:0"),
    ],
)
async def test_forwarded_addresses_count_from_configured_proxies_only(
    proxies: tuple[str, ...], remote: str
) -> None:
    transport = WebSocketTransport(front=Front(Proxies(proxies)))
    async with transport.listen("ws://127.0.0.1:0") as listener:
        assert " 101 " in await ask(port_of(listener.addresses[0]), head("/", UPGRADE + CLIENT))
        with anyio.fail_after(10):
            connection = await listener.accept()
        assert connection.remote.startswith(remote)
        await connection.close()


async def test_a_reload_changes_whose_forwarded_addresses_count() -> None:
    async with make_node("node") as node:
        port = port_of(address_of(node))
        config = make_node("node", proxies=["127.0.0.1"]).config
        for _ in range(2):
            await ask(port, head("/", UPGRADE + CLIENT))
            await node.reload(config)
        await wait_until(lambda: len(remotes(node)) == 2)
        assert remotes(node)[0] == "192.0.2.7:0"
        assert remotes(node)[1].startswith("127.0.0.1:")


def remotes(node: object) -> list[str]:
    [section] = [one for one in node.status_sections() if one.name == "mesh"]  # type: ignore[attr-defined]
    return [one["remote"] for one in section.read()["refused"]]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_healthz_says_ok_and_is_counted(version: str) -> None:
    async with make_node("node") as node:
        for number in range(1, 4):
            answer = await ask(port_of(address_of(node)), head("/healthz?x=1", version=version))
            assert answer.startswith("HTTP/1.1 200 ")
            assert answer.endswith("\r\n\r\nok\n")
            assert node.id not in answer
            assert node.counters["ws_health"] == number


async def test_healthz_is_no_way_in_and_not_for_web_pages() -> None:
    async with make_node("node") as node:
        port = port_of(address_of(node))
        assert " 200 " in await ask(port, head("/healthz", UPGRADE))
        assert " 403 " in await ask(port, head("/healthz", "origin: http://a\r\n"))
        assert " 404 " in await ask(port, head("/healthz/x"))


@pytest.mark.parametrize("word", ["starting", "stopping"])
async def test_healthz_answers_503_while_the_node_takes_no_connections(word: str) -> None:
    transport = WebSocketTransport(front=Front(health=lambda: word))
    async with transport.listen("ws://127.0.0.1:0") as listener:
        answer = await ask(port_of(listener.addresses[0]), head("/healthz"))
    assert answer.startswith("HTTP/1.1 503 ")
    assert answer.endswith(f"\r\n\r\n{word}\n")


class Asking:
    """Asks for the health of its node while that starts, and while it stops."""

    plugin_name = "asking"

    def __init__(self) -> None:
        self.port = 0
        self.said: list[str] = []

    @hookimpl(trylast=True)
    async def start_plugin(self, node: object) -> None:
        """Ask while it starts."""
        self.port = port_of(address_of(node))  # type: ignore[arg-type]
        await self._ask()

    @hookimpl
    async def node_stopping(self) -> None:
        """Ask while it stops."""
        await self._ask()

    async def _ask(self) -> None:
        self.said.append((await ask(self.port, head("/healthz"))).split()[-1])


async def test_healthz_follows_the_life_of_the_node() -> None:
    asking = Asking()
    async with make_node("node", plugins=("relay", asking)) as node:
        assert (await ask(port_of(address_of(node)), head("/healthz"))).endswith("ok\n")
    assert asking.said == ["starting", "stopping"]
