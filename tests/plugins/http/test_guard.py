"""The guard, over plain values."""

from __future__ import annotations

import pytest

from clawmatrix_http.guard import Guard, host_of, is_loopback, read_headers

TOKEN = "the-right-token-of-the-node"
GUARD = Guard(TOKEN, ["office", "[fd00::1]"], ["https://app.example", "null"])


def status(*, server: str | None = "127.0.0.1", public: bool = False, **headers: str) -> int | None:
    """Return the status a request with these headers is refused with."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    refusal = GUARD.check(read_headers(raw), server=server, public=public)
    return None if refusal is None else refusal.status


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:19100",
        "localhost.",
        "app.localhost:80",
        "127.0.0.1:19100",
        "127.9.9.9",
        "[::1]:19100",
        "office:19100",
        "[fd00::1]",
    ],
)
def test_names_of_this_machine_are_let_in(host: str) -> None:
    assert status(host=host, x_api_key=TOKEN) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:19100",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.7",
        "[2001:db8::1]",
        "",
        ":80",
        "localhost:x",
        "localhost:80:80",
        "[::1]evil",
        "loc\u00e4lhost",
    ],
)
def test_other_names_are_refused_with_403(host: str) -> None:
    assert status(host=host, x_api_key=TOKEN) == 403


def test_the_address_the_connection_came_in_by_is_let_in() -> None:
    assert status(host="192.0.2.7:19100", server="192.0.2.7", x_api_key=TOKEN) is None
    assert status(host="192.0.2.8:19100", server="192.0.2.7", x_api_key=TOKEN) == 403
    assert status(host="192.0.2.7", server=None, x_api_key=TOKEN) == 403


def test_a_request_needs_one_host_header() -> None:
    twice = [(b"host", b"localhost"), (b"host", b"localhost")]
    for headers in ([], twice):
        refusal = GUARD.check(read_headers(headers), server="127.0.0.1", public=True)
        assert refusal is not None
        assert refusal.status == 403


@pytest.mark.parametrize("origin", ["https://app.example", "null", "http://localhost:19100"])
def test_pages_let_in_by_name_and_the_servers_own_may_ask(origin: str) -> None:
    assert status(host="localhost:19100", origin=origin, x_api_key=TOKEN) is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://app.example.evil.example",
        "http://app.example",
        "http://localhost:3000",
        "",
    ],
)
def test_other_pages_are_refused_although_the_token_is_right(origin: str) -> None:
    assert status(host="localhost:19100", origin=origin, x_api_key=TOKEN) == 403


def test_the_token_comes_as_bearer_as_x_api_key_or_as_api_key() -> None:
    assert status(host="localhost", api_key=TOKEN) is None
    assert status(host="localhost", api_key="wrong") == 401
    assert status(host="localhost", api_key="wrong", x_api_key=TOKEN) is None
    assert status(host="localhost", authorization=f"Bearer {TOKEN}") is None
    assert status(host="localhost", authorization=f"bearer  {TOKEN} ") is None
    assert status(host="localhost", x_api_key=TOKEN) is None
    assert status(host="localhost", x_api_key="wrong", authorization=f"Bearer {TOKEN}") is None


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", TOKEN])
def test_a_missing_or_wrong_token_is_401(value: str) -> None:
    assert status(host="localhost", authorization=value) == 401
    assert status(host="localhost") == 401
    assert status(host="localhost", x_api_key=TOKEN[:-1]) == 401


def test_public_routes_want_no_token_but_host_and_origin_all_the_same() -> None:
    assert status(host="localhost", public=True) is None
    assert status(host="evil.example", public=True) == 403
    assert status(host="localhost", origin="https://evil.example", public=True) == 403


def test_a_token_is_never_shown() -> None:
    asker = read_headers([(b"x-api-key", TOKEN.encode())])
    assert TOKEN not in repr(asker)


def test_the_length_is_read_and_nonsense_is_none() -> None:
    assert read_headers([(b"content-length", b"12")]).length == 12
    assert read_headers([(b"content-length", b"-1")]).length is None
    assert read_headers([]).length is None


def test_host_of_takes_off_port_and_brackets() -> None:
    assert host_of(b"[::1]:80") == "::1"
    assert host_of(b"Office.Example.:80") == "office.example"
    assert host_of(b"::1") is None


def test_loopback_is_decided_without_asking_anyone() -> None:
    assert is_loopback("::1")
    assert not is_loopback("::ffff:192.0.2.1")
    assert not is_loopback("localhost.example")
