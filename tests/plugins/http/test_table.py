"""The table of routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import Response

from clawmatrix_http.api import HttpRoute
from clawmatrix_http.refusal import plain_error
from clawmatrix_http.table import RouteTable
from clawmatrix_model_proxy.api import anthropic_error, openai_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request


async def answer(request: Request) -> Response:
    """Answer nothing."""
    return Response()


ROUTES = [
    HttpRoute("/v1/models", ("GET",), answer, errors=openai_error),
    HttpRoute("/v1/models/{id:path}", ("GET",), answer, errors=openai_error),
    HttpRoute("/v1/models/{id:path}", ("DELETE",), answer, errors=openai_error),
    HttpRoute("/v1/messages", ("POST",), answer, errors=anthropic_error),
    HttpRoute("/items/{number:int}", ("get",), answer, public=True),
]


BUILT_IN = ("models", "http")


def fail(*words: object) -> None:
    pytest.fail(repr(words))


def make_table(routes: list[HttpRoute]) -> RouteTable:
    """Return the table of one plugin's routes, which do not collide."""
    owned = [("models", route) for route in routes]
    return RouteTable(owned, built_in=BUILT_IN, collided=fail, report=fail)


def make_shared(
    *routes: tuple[str, HttpRoute], report: Callable[[str, Exception], None] = fail
) -> tuple[RouteTable, list[tuple[str, ...]]]:
    """Return the table of several plugins' routes, and the collisions."""
    clashes: list[tuple[str, ...]] = []

    def collided(*clash: str) -> None:
        clashes.append(clash)

    table = RouteTable(routes, built_in=BUILT_IN, collided=collided, report=report)
    return table, clashes


def plain(path: str, *methods: str) -> HttpRoute:
    return HttpRoute(path, methods or ("GET",), answer)


def mounted(path: str) -> HttpRoute:
    return HttpRoute(path, app=Response(), mount=True)


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
    assert (found.refusal.status, found.shape, found.public) == (404, openai_error, False)
    assert make_table(ROUTES).find("GET", "/items/x").shape is plain_error


def test_a_wrong_method_is_405_in_the_shape_of_its_route_and_says_what_is_allowed() -> None:
    found = make_table(ROUTES).find("GET", "/v1/messages")
    assert found.refusal is not None
    assert (found.refusal.status, found.shape) == (405, anthropic_error)
    assert found.refusal.headers == ((b"allow", b"POST"),)


def test_public_is_said_of_public_routes_alone() -> None:
    table = make_table(ROUTES)
    assert table.find("GET", "/items/7").public
    assert not table.find("POST", "/items/7").public
    assert not table.find("GET", "/v1/models").public


def test_a_route_that_is_taken_stays_with_the_first_and_the_clash_is_told() -> None:
    second = HttpRoute("/v1/models", ("GET", "POST"), answer)
    table, clashes = make_shared(("models", ROUTES[0]), ("other", second))
    assert table.find("GET", "/v1/models").route is ROUTES[0]
    assert table.find("POST", "/v1/models").route is second
    assert clashes == [("route", "GET /v1/models", "models", "other")]


def test_a_pattern_of_a_built_in_plugin_hides_paths_of_others_with_its_method() -> None:
    theirs = plain("/v1/models/mine", "GET", "DELETE")
    table, clashes = make_shared(("models", plain("/v1/models/{id:path}")), ("other", theirs))
    assert table.find("GET", "/v1/models/mine").params == {"id": "mine"}
    assert table.find("HEAD", "/v1/models/mine").params == {"id": "mine"}
    assert table.find("DELETE", "/v1/models/mine").route is theirs
    assert clashes == [("route", "GET /v1/models/mine", "models", "other")]


def test_the_same_pattern_collides_and_another_one_comes_behind() -> None:
    own, same = plain("/v1/models/{id}"), plain("/v1/models/{id}", "GET", "PUT")
    wider = plain("/v1/models/{rest:path}", "GET")
    table, clashes = make_shared(("models", own), ("other", same), ("third", wider))
    assert table.find("GET", "/v1/models/m").route is own
    assert table.find("PUT", "/v1/models/m").route is same
    assert table.find("GET", "/v1/models/m/files").route is wider
    assert clashes == [("route", "GET /v1/models/{id}", "models", "other")]


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("/d/{id}", "/d/{name}"),
        ("/d/{id}/x/{n:int}", "/d/{name}/x/{number:int}"),
        ("/d/{rest:path}", "/d/{name}"),
        ("/d/{rest:path}", "/d/{name}/{number:int}"),
        ("/{rest:path}", "/d/{more:path}"),
        ("/d/{id}", "/d/{number:int}"),
        ("/d/{id}", "/d/{number:float}"),
        ("/d/{id}", "/d/{key:uuid}.txt"),
        ("/d/{number:float}", "/d/{number:int}"),
    ],
)
@pytest.mark.parametrize("first", ["models", "other"])
def test_a_pattern_hides_those_behind_it_that_it_covers(wide: str, narrow: str, first: str) -> None:
    _, clashes = make_shared((first, plain(wide)), ("third", plain(narrow, "GET", "PUT")))
    assert clashes == [("route", f"GET {narrow}", first, "third")]
    _, apart = make_shared((first, plain(wide)), ("third", plain(narrow, "DELETE")))
    assert apart == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/d/{number:int}", "/d/{name}"),
        ("/d/{name}", "/d/{rest:path}"),
        ("/d/{name}x", "/d/{name}"),
        ("/d/{a}-{b}", "/d/{name}"),
        ("/d/{name}/", "/d/{name}"),
        ("/d/{name}", "/e/{name}"),
        ("/d/1{name}", "/d/{number:int}"),
        ("/d/{a}/{rest:path}", "/d/{rest:path}"),
        ("/d/0{name}", "/d/{key:uuid}"),
    ],
)
def test_a_pattern_that_leaves_another_one_requests_does_not_collide(one: str, other: str) -> None:
    _, clashes = make_shared(("models", plain(one)), ("other", plain(other)))
    assert clashes == []


def test_what_is_below_a_mount_of_a_built_in_plugin_collides() -> None:
    theirs = [plain("/m/x"), plain("/m"), plain("/m/{id}"), mounted("/m"), mounted("/m/y/")]
    apart = [plain("/mx"), plain("/m{id}"), plain("/{id}"), mounted("/mx"), mounted("/")]
    routes = [("http", mounted("/m")), *(("other", one) for one in [*theirs, *apart])]
    table, clashes = make_shared(*routes)
    assert clashes == [
        ("route", "GET /m/x", "http", "other"),
        ("route", "GET /m", "http", "other"),
        ("route", "GET /m/{id}", "http", "other"),
        ("mount", "/m", "http", "other"),
        ("mount", "/m/y/", "http", "other"),
    ]
    assert table.find("GET", "/m/y/1").route is routes[0][1]
    assert table.find("POST", "/mx").route is apart[3]


@pytest.mark.parametrize("path", ["/items/" + "1" * 5000, "/items/7\n", "/items/\u0663"])
def test_a_parameter_that_cannot_be_converted_is_no_match(path: str) -> None:
    found = make_table(ROUTES).find("GET", path)
    assert found.refusal is not None
    assert (found.refusal.status, found.public) == (404, False)


def test_built_in_routes_come_first_in_whatever_order_they_are_given() -> None:
    theirs, own = plain("/x/{id}"), plain("/x/1")
    table, clashes = make_shared(("other", theirs), ("http", own))
    assert table.find("GET", "/x/1").route is own
    assert table.find("GET", "/x/2").route is theirs
    assert clashes == []


def test_others_share_what_is_left_in_order_of_loading() -> None:
    first, second = plain("/x", "GET"), plain("/x", "GET", "POST")
    exact, pattern = plain("/y/1"), plain("/y/{id}")
    routes = [("b", pattern), ("a", first), ("b", second), ("b", exact)]
    table, clashes = make_shared(*routes)
    assert table.find("GET", "/x").route is first
    assert table.find("POST", "/x").route is second
    assert table.find("GET", "/y/1").route is exact
    assert clashes == [("route", "GET /x", "a", "b")]
    refused = table.find("PUT", "/y/1").refusal
    assert refused is not None
    assert refused.headers == ((b"allow", b"GET, HEAD"),)


def test_a_mount_has_all_below_its_path_and_the_longest_one_counts() -> None:
    outer, inner, everything = mounted("/mcp"), mounted("/mcp/tools/"), mounted("/")
    routes = [("a", everything), ("a", outer), ("a", inner), ("b", plain("/mcp/health"))]
    table, clashes = make_shared(*routes)
    assert table.find("GET", "/mcp").route is outer
    assert table.find("DELETE", "/mcp/x/y").route is outer
    assert table.find("GET", "/mcp/tools").route is inner
    assert table.find("PATCH", "/mcp/tools/1").route is inner
    assert table.find("GET", "/mcp/health").route is routes[3][1]
    assert table.find("GET", "/mcpx").route is everything
    assert clashes == []


def test_a_mount_never_takes_a_route_of_a_built_in_plugin() -> None:
    mount, own = mounted("/v1"), plain("/v1/models")
    table, _ = make_shared(("other", mount), ("models", own))
    assert table.find("GET", "/v1/models").route is own
    assert table.find("POST", "/v1/models").route is mount  # which has no POST


def test_two_mounts_at_one_path_collide() -> None:
    first = mounted("/mcp")
    table, clashes = make_shared(("a", first), ("b", mounted("/mcp/")))
    assert table.find("GET", "/mcp/x").route is first
    assert clashes == [("mount", "/mcp/", "a", "b")]


def test_a_path_that_is_none_is_a_fault_of_its_plugin_and_the_others_stand() -> None:
    faults: list[tuple[str, str]] = []
    table, _ = make_shared(
        ("other", plain("/x/{id:pigeon}")),
        ("good", plain("/x")),
        report=lambda plugin, error: faults.append((plugin, str(error))),
    )
    assert table.find("GET", "/x").route is not None
    assert faults == [("other", "Unknown path convertor 'pigeon'")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "x", "methods": ("GET",), "endpoint": answer}, "does not begin with a slash"),
        ({"path": "/x", "endpoint": answer}, "/x has no methods"),
        ({"path": "/x", "endpoint": answer, "mount": True}, "the mount /x needs an app"),
        ({"path": "/{x}", "app": Response(), "mount": True}, "without parameters"),
        ({"path": "/x", "app": Response(), "mount": True, "methods": ("GET",)}, "no methods"),
    ],
)
def test_routes_that_could_answer_nothing(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HttpRoute(**options).verify()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"methods": "GET"},
            r"""the route /x needs a tuple of methods such as \("GET",\), not 'GET'""",
        ),
        ({"methods": None}, "the route /x needs a tuple of methods"),
        ({"methods": (1,)}, "the route /x has a method 1, which is no text"),
        ({"path": b"/x"}, "the path of a route is text, not b'/x'"),
        ({"endpoint": "answer"}, "the route /x has endpoint='answer', which is no function"),
        ({"errors": "openai"}, "the route /x has errors='openai', which is no function"),
        ({"public": "no"}, "the route /x needs True or False for public"),
    ],
)
def test_routes_of_wrong_types(options: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        HttpRoute(**{"path": "/x", "methods": ("GET",), "endpoint": answer, **options}).verify()


@pytest.mark.parametrize("method", ["", "GET POST", "GET,POST", "GET\n", "G\u00c9T"])
def test_methods_are_words(method: str) -> None:
    with pytest.raises(ValueError, match=r"the route /x has a method .*, which is no word"):
        plain("/x", "GET", method).verify()


def test_a_route_has_an_endpoint_or_an_application() -> None:
    with pytest.raises(TypeError, match="/x needs an endpoint or an app"):
        HttpRoute("/x", ("GET",)).verify()
    with pytest.raises(TypeError, match="not both"):
        HttpRoute("/x", ("GET",), answer, app=Response()).verify()


def test_a_route_that_could_answer_nothing_is_left_out_and_the_others_stay() -> None:
    faults: list[tuple[str, str]] = []
    table, _ = make_shared(
        ("a", plain("x")),
        ("a", plain("/y")),
        report=lambda plugin, error: faults.append((plugin, str(error))),
    )
    assert table.find("GET", "/y").route is not None
    assert faults == [("a", "the route x has a path that does not begin with a slash")]
