"""What a host is told of the HTTP server of its node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_http.api import HttpAccess, http_access
from clawmatrix_http.plugin import HttpPlugin
from tests.plugins.http.conftest import TOKEN, config

if TYPE_CHECKING:
    from tests.plugins.http.conftest import Serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The server needs asyncio."""
    return "asyncio", {"use_uvloop": False}


def offered(node: Node) -> list[object]:
    """Return what the node and the plugin say of the server."""
    return [node.http_url, http_access(node)]


async def test_a_host_reaches_the_server_with_the_url_and_the_token(serving: Serving) -> None:
    async with serving() as served:
        access = http_access(served.node)
        assert access is not None
        assert access.url == served.node.http_url == f"{served.url}/v1"
        headers = {"authorization": f"Bearer {access.token}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as client:
            assert (await client.post(f"{access.url}/echo", content=b"x")).content == b"x"
            assert (await client.get(f"{access.root}/things/a")).text == "GET a"


async def test_there_is_none_before_the_start_and_after_the_end() -> None:
    node = Node(config(), plugins=[HttpPlugin()], state=MemoryState())
    assert offered(node) == [None, None]
    async with node:
        assert node.http_url is not None
    assert offered(node) == [None, None]


async def test_there_is_none_once_the_plugin_was_taken_out(serving: Serving) -> None:
    async with serving() as served:
        info = served.node.plugins.get("http")
        assert info is not None
        served.node.plugins.fail(info, "a test says so")
        assert http_access(served.node) is None


async def test_there_is_none_without_the_plugin() -> None:
    told = Config.from_mapping({"node_id": "here", "secret": "s" * 40})
    async with Node(told, plugins=[], state=MemoryState()) as node:
        assert offered(node) == [None, None]


async def test_a_reload_gives_the_token_that_is_in_force(serving: Serving) -> None:
    async with serving() as served:
        await served.node.reload(config(token="another-token-for-tests"))
        access = http_access(served.node)
        assert access is not None
        assert access.token == "another-token-for-tests"


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(HttpAccess("http://127.0.0.1:1/v1", TOKEN))
