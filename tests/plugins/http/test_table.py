"""The table of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.responses import Response

from clawmatrix_http.api import HttpRoute
from clawmatrix_http.table import RouteTable

if TYPE_CHECKING:
    from starlette.requests import Request


async def answer(request: Request) -> Response:
    """Answer nothing."""
    return Response()


ROUTES = [
    HttpRoute("/v1/models", ("GET",), answer, errors="openai"),
    HttpRoute("/v1/models/{id:path}", ("GET",), answer, errors="openai"),
    HttpRoute("/v1/models/{id:path}", ("DELETE",), answer, errors="openai"),
    HttpRoute("/v1/messages", ("POST",), answer, errors="anthropic"),
    HttpRoute("/items/{number:int}", ("get",), answer, public=True),
]


def no_collision(*words: str) -> None:
    pytest.fail(" ".join(words))


def make_table(routes: list[HttpRoute]) -> RouteTable:
    """Return the table of one plugin's routes, which do not collide."""
    return RouteTable([("models", route) for route in routes], no_collision)


def test_a_path_is_found_with_its_parameters() -> None:
    table = make_table(ROUTES)
    assert table.find("GET", "/v1/models").route is ROUTES[0]
    found = table.find("GET", "/v1/models/office/org/m")
    assert found.route is ROUTES[1]
    assert found.params == {"id": "office/org/m"}
    assert table.find("GET", "/items/7").params == {"number": 7}
    assert table.find("DELETE", "/v1/models/m").route is ROUTES[2]


def test_get_answers_head_too() -> None:
    assert make_table(ROUTES).find("HEAD", "/v1/models").route is ROUTES[0]


def test_an_unknown_path_is_404_in_the_shape_of_its_path() -> None:
    found = make_table(ROUTES).find("GET", "/v1/nothing")
    assert found.route is None
    assert found.refusal is not None
    assert (found.refusal.status, found.shape, found.public) == (404, "openai", False)
    assert make_table(ROUTES).find("GET", "/items/x").shape == "plain"


def test_a_wrong_method_is_405_in_the_shape_of_its_route_and_says_what_is_allowed() -> None:
    found = make_table(ROUTES).find("GET", "/v1/messages")
    assert found.refusal is not None
    assert (found.refusal.status, found.shape) == (405, "anthropic")
    assert found.refusal.headers == ((b"allow", b"POST"),)


def test_public_is_said_of_public_routes_alone() -> None:
    table = make_table(ROUTES)
    assert table.find("GET", "/items/7").public
    assert not table.find("POST", "/items/7").public
    assert not table.find("GET", "/v1/models").public


def test_a_route_that_is_taken_stays_with_the_first_and_the_clash_is_told() -> None:
    clashes: list[tuple[str, ...]] = []
    second = HttpRoute("/v1/models", ("GET", "POST"), answer)
    routes = [("models", ROUTES[0]), ("other", second)]
    table = RouteTable(routes, lambda *clash: clashes.append(clash))
    assert table.find("GET", "/v1/models").route is ROUTES[0]
    assert table.find("POST", "/v1/models").route is second
    assert clashes == [("route", "GET /v1/models", "models", "other")]


def test_a_route_has_an_endpoint_or_an_application() -> None:
    with pytest.raises(TypeError, match="/x needs an endpoint or an app"):
        HttpRoute("/x", ("GET",))
    with pytest.raises(TypeError, match="not both"):
        HttpRoute("/x", ("GET",), answer, app=Response())
