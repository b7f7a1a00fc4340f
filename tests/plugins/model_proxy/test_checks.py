"""Upstreams that are not there, refuse the key, or do not know the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.testing.fixtures import free_port
from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.checks import Answered, judge, upstream_checks
from clawmatrix_model_proxy.config import ModelProxyConfig
from tests.plugins.model_proxy.serving.serving import model

if TYPE_CHECKING:
    from clawmatrix_core.loading.contributions import Finding
    from tests.plugins.model_proxy.conftest import Asked, Serving, Upstreaming

pytestmark = pytest.mark.anyio

KEY = "key-that-nobody-may-see"


def table(**told: Any) -> ModelProxyConfig:
    config = Config.from_mapping({"node_id": "a", "secret": "s" * 40, "model-proxy": told})
    config.bind([ConfigSection("model-proxy", ModelProxyConfig)])
    return config.section(ModelProxyConfig)


async def looked_at(**told: Any) -> list[Finding]:
    config = table(**told)
    models = [one.upstream for one in config.models]
    return await run_checks(upstream_checks(config, lambda: models))


async def list_of_models(asked: Asked) -> None:
    if b"bearer " + KEY.encode() not in asked.head.lower():
        await asked.answer(b'{"error": "no"}', status=401)
        return
    assert asked.head.startswith(b"GET /v1/models HTTP/1.1\r\n")
    await asked.answer(json.dumps({"data": [{"id": "m"}, {"id": "n"}]}).encode())


async def test_each_upstream_is_asked_for_its_models(upstreaming: Upstreaming) -> None:
    async with upstreaming(list_of_models) as up:
        models = [
            model(up.base_url, api_key=KEY),
            model(up.base_url, id="x", api_key=KEY),
            model(up.base_url, id="y", upstream_model="n", api_key=KEY),
            model(up.base_url, id="z", api_key="wrong-and-secret"),
            model(f"http://127.0.0.1:{free_port()}/v1", id="gone"),
            model(up.base_url, id="p", api="pigeon:coo"),
        ]
        found = await looked_at(models=models)
    assert [one.status for one in found] == [
        "ok",
        "warning",
        "ok",
        "problem",
        "problem",
        "skipped",
    ]
    assert "does not list 'x'" in found[1].detail
    assert "refuses the key (HTTP 401)" in found[3].detail
    assert "cannot be reached" in found[4].detail or "refused" in found[4].detail
    text = " ".join(f"{one.detail} {one.advice}" for one in found)
    assert KEY not in text
    assert "wrong-and-secret" not in text


async def test_an_upstream_that_hangs_up_or_talks_nonsense_is_a_problem(
    upstreaming: Upstreaming,
) -> None:
    async def nonsense(asked: Asked) -> None:
        await asked.send(b"SSH-2.0-OpenSSH\r\n\r\n")

    async with upstreaming(nonsense) as up:
        [found] = await looked_at(models=[model(up.base_url)])
    assert found.status == "problem"


async def test_a_node_that_runs_looks_at_what_it_serves(
    serving: Serving, upstreaming: Upstreaming
) -> None:
    async with upstreaming(list_of_models) as up:
        async with serving(models=[model(up.base_url, api_key=KEY)]) as node:
            found = {one.name: one.status for one in await run_checks(node.checks())}
            assert found["model-proxy.upstream"] == "ok"
        async with serving() as node:
            found = {one.name: one.status for one in await run_checks(node.checks())}
            assert found["model-proxy.upstream"] == "skipped"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "problem"),
        (403, "problem"),
        (429, "warning"),
        (503, "warning"),
        (404, "ok"),
        (400, "warning"),
    ],
)
def test_what_a_status_means(status: int, expected: str) -> None:
    upstream = ModelUpstream("m", "http://127.0.0.1:9/v1")
    assert judge(upstream, Answered(status)).status == expected


async def test_a_list_of_several_pages_is_read_to_its_end(upstreaming: Upstreaming) -> None:
    async def pages(asked: Asked) -> None:
        target = asked.head.split(b" ")[1].decode()
        first = {"data": [{"id": "a"}], "has_more": True, "last_id": "a&b"}
        last = {"data": [{"id": "m"}], "has_more": False, "last_id": "m"}
        page = last if target == "/v1/models?after_id=a%26b" else first
        await asked.answer(json.dumps(page).encode())

    async with upstreaming(pages) as up:
        api = "anthropic-messages"
        [found] = await looked_at(models=[model(up.base_url, api=api, api_key=KEY)])
    assert (found.status, len(up.asked)) == ("ok", 2)
    assert "lists it" in found.detail


async def test_a_list_without_an_end_says_nothing_of_the_model(upstreaming: Upstreaming) -> None:
    async def endless(asked: Asked) -> None:
        page = {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}
        await asked.answer(json.dumps(page).encode())

    async with upstreaming(endless) as up:
        [found] = await looked_at(models=[model(up.base_url)])
    assert (found.status, len(up.asked)) == ("ok", 20)
