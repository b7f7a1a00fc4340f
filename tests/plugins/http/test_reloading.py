"""What of ``[http]`` changes while the server runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import httpx2
import pytest

from tests.plugins.http.conftest import TOKEN, config

if TYPE_CHECKING:
    from tests.plugins.http.conftest import Serving

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

OTHER = "another-token-for-tests"


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


async def test_another_token_is_the_one_that_counts(serving: Serving) -> None:
    async with serving() as served, httpx2.AsyncClient(base_url=served.url) as client:
        changes = await served.node.reload(config(token=OTHER))
        assert changes.reloaded == {"http.token"}
        assert (await client.get("/things/a", headers=bearer(TOKEN))).status_code == 401
        assert (await client.get("/things/a", headers=bearer(OTHER))).status_code == 200
        assert served.http.token == OTHER


async def test_a_token_that_is_left_out_is_made(serving: Serving) -> None:
    async with serving() as served, httpx2.AsyncClient(base_url=served.url) as client:
        await served.node.reload(config(token=None))
        assert served.http.token != TOKEN
        got = await client.get("/things/a", headers=bearer(served.http.token))
        assert got.status_code == 200


async def test_hosts_pages_and_sizes_are_taken_over(serving: Serving) -> None:
    async with serving() as served, httpx2.AsyncClient(base_url=served.url) as client:
        named = bearer(TOKEN, host="box.example")
        from_page = bearer(TOKEN, origin="https://app.example")
        assert (await client.get("/things/a", headers=named)).status_code == 403
        assert (await client.get("/things/a", headers=from_page)).status_code == 403
        await served.node.reload(
            config(
                allowed_hosts=["box.example"],
                allowed_origins=["https://app.example"],
                max_body=3,
            )
        )
        assert (await client.get("/things/a", headers=named)).status_code == 200
        assert (await client.get("/things/a", headers=from_page)).status_code == 200
        long = await client.post("/v1/echo", headers=bearer(TOKEN), content=b"four")
        assert long.status_code == 413


async def test_an_answer_under_way_is_finished_as_it_was_let_in(serving: Serving) -> None:
    async with serving() as served, httpx2.AsyncClient(base_url=served.url) as client:
        answer = ""

        async def ask() -> None:
            nonlocal answer
            answer = (await client.get("/slow", headers=bearer(TOKEN))).text

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await served.routes.begun.wait()
            await served.node.reload(config(token=OTHER, drain=1))
            served.routes.go_on.set()
        assert answer == "one two"


async def test_another_address_waits_for_a_restart(serving: Serving) -> None:
    async with serving() as served, httpx2.AsyncClient(base_url=served.url) as client:
        changes = await served.node.reload(config(listen="127.0.0.1:1"))
        assert changes.restart == {"http.listen"}
        assert (await client.get("/things/a", headers=bearer(TOKEN))).status_code == 200
