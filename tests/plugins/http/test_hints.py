"""What is said of a path that nobody has, and in whose shape."""

from __future__ import annotations

import httpx2
import pytest

from clawmatrix_http.api import HttpRoute
from clawmatrix_http.hints import LONGEST, variants
from clawmatrix_http.table import Found, RouteTable
from clawmatrix_model_proxy.api import anthropic_error, openai_error
from tests.plugins.http.conftest import TOKEN, Serving


async def endpoint(_: object) -> None:
    """Answer nothing: only the table is asked here."""


def table() -> RouteTable:
    routes = [
        HttpRoute("/v1/models", ("GET",), endpoint, openai_error),  # type: ignore[arg-type]
        HttpRoute("/v1/models/{id:path}", ("GET",), endpoint, openai_error),  # type: ignore[arg-type]
        HttpRoute("/v1/chat/completions", ("POST",), endpoint, openai_error),  # type: ignore[arg-type]
        HttpRoute("/v1/messages", ("POST",), endpoint, anthropic_error),  # type: ignore[arg-type]
        HttpRoute("/things/{name:path}", ("GET",), endpoint),  # type: ignore[arg-type]
        HttpRoute("/metrics", ("GET",), endpoint),  # type: ignore[arg-type]
    ]
    return RouteTable(
        [("p", route) for route in routes],
        built_in={"p"},
        collided=lambda *_: None,
        report=lambda *_: None,
    )


def message(found: Found) -> str:
    assert found.refusal is not None
    assert found.refusal.status == 404
    return found.refusal.message


@pytest.mark.parametrize(
    ("path", "meant", "shape"),
    [
        ("//v1/messages", "/v1/messages", anthropic_error),
        ("/v1//messages", "/v1/messages", anthropic_error),
        ("/v1/messages/", "/v1/messages", anthropic_error),
        ("/v1/v1/messages", "/v1/messages", anthropic_error),
        ("/v1/v1/v1/messages", "/v1/messages", anthropic_error),
        ("/messages", "/v1/messages", anthropic_error),
        ("/chat/completions", "/v1/chat/completions", openai_error),
        ("/v2/chat/completions", "/v1/chat/completions", openai_error),
        ("/api/v1/chat/completions", "/v1/chat/completions", openai_error),
        ("/openai/deployments/m/chat/completions", "/v1/chat/completions", openai_error),
        ("/models", "/v1/models", openai_error),
        ("/models/qwen/3", "/v1/models/qwen/3", openai_error),
        ("/v1/metrics", "/metrics", openai_error),
    ],
)
def test_a_path_with_a_part_too_many_or_too_few_is_told_the_right_one(
    path: str, meant: str, shape: object
) -> None:
    found = table().find("POST", path)
    assert f"there is no {path}: you may mean {meant} " in message(found)
    assert found.shape is shape


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/completions", openai_error),
        ("/v1/messages/batches", anthropic_error),
        ("/v1", openai_error),
    ],
)
def test_other_paths_are_told_what_there_is_in_the_shape_of_the_nearest(
    path: str, shape: object
) -> None:
    found = table().find("POST", path)
    assert message(found).endswith("there are /v1/chat/completions, /v1/messages, /v1/models")
    assert found.shape is shape


def test_what_stands_below_one_part_is_no_guess_for_everything() -> None:
    told = message(table().find("GET", "/nothing"))
    assert "/things" not in told
    assert "there are /metrics, /v1/chat/completions" in told


def test_nothing_is_guessed_of_a_long_path() -> None:
    assert list(variants("/" + "x" * LONGEST, ["v1"])) == []
    assert list(variants("*", ["v1"])) == []


@pytest.mark.anyio
async def test_clients_are_told_in_their_shape_and_strangers_only_that_they_are_none(
    serving: Serving,
) -> None:
    async with serving() as served, httpx2.AsyncClient(base_url=served.url) as asking:
        token = {"x-api-key": TOKEN}
        wrong = await asking.post("//v1/messages", headers=token)
        stranger = await asking.post("//v1/messages")
    assert wrong.status_code == 404
    assert wrong.json()["error"]["type"] == "not_found_error"
    assert "/v1/messages" in wrong.json()["error"]["message"]
    assert stranger.status_code == 401
    assert stranger.json()["error"]["type"] == "authentication_error"
    assert "mean" not in stranger.text
