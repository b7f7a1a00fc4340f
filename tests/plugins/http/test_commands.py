"""``clawmatrix env``, and programs that have a proxy in their environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import pytest

from clawmatrix_core.testing.fixtures import free_port
from clawmatrix_http.commands import bypassed

if TYPE_CHECKING:
    from tests.plugins.http.conftest import Serving


@pytest.mark.parametrize(
    ("environ", "hosts"),
    [
        ({}, "127.0.0.1"),
        ({"NO_PROXY": "10.0.0.1, corp.example"}, "10.0.0.1,corp.example,127.0.0.1"),
        ({"NO_PROXY": "a", "no_proxy": "b,a"}, "b,a,127.0.0.1"),
        ({"no_proxy": "127.0.0.1"}, "127.0.0.1"),
        ({"NO_PROXY": ""}, "127.0.0.1"),
    ],
)
def test_env_names_the_api_beside_what_the_environment_excludes(
    environ: dict[str, str], hosts: str
) -> None:
    assert bypassed(environ, "127.0.0.1") == hosts


@pytest.mark.anyio
async def test_a_program_under_http_proxy_reaches_the_api(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy is dead: a program that asks it gets nowhere."""
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with serving() as served:
        with pytest.raises(httpx2.ConnectError):
            await _ask(served.url)
        monkeypatch.setenv("no_proxy", bypassed({}, "127.0.0.1"))
        assert await _ask(served.url) == 200


async def _ask(url: str) -> int:
    async with httpx2.AsyncClient(base_url=url) as program:
        return (await program.get("/healthz")).status_code
