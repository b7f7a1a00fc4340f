"""Requests that are refused: counted by name, shown, and logged once in a while."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from clawmatrix_http.refused import REASONS_MOST, Refusals, refused_lines
from tests.plugins.http.conftest import TOKEN
from tests.plugins.http.test_server import ask_raw, client

if TYPE_CHECKING:
    from tests.plugins.http.conftest import Served, Serving

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]

GARBAGE = (
    b"\x00garbage\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
)


def refused(served: Served) -> dict[str, int]:
    [section] = served.node.status_sections()
    found: Any = section.read()
    counts: dict[str, int] = found["refused"]
    return counts


async def test_garbage_is_counted_and_logged_once(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as served:
        for _ in range(20):
            for garbage in GARBAGE:
                assert (await ask_raw(served, garbage)).startswith(b"HTTP/1.1 400 ")
        assert refused(served) == {"bad_request": 20 * len(GARBAGE)}
        assert served.node.counters["http_bad_request"] == 20 * len(GARBAGE)
    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert lines == ["a request from 127.0.0.1 was refused: bad_request"]
    assert not [one for one in caplog.records if "Invalid HTTP" in one.getMessage()]


async def test_upgrades_that_nobody_serves_are_no_lines_in_the_log(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    request = b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    async with serving() as served:
        for _ in range(10):
            await ask_raw(served, request.replace(b"upgrade\r\n\r\n", b"upgrade, close\r\n\r\n"))
        assert refused(served) == {"host_not_allowed": 10}
    assert len([one for one in caplog.records if one.name.endswith("http")]) <= 2


async def test_each_reason_has_its_name(serving: Serving) -> None:
    async with serving(max_body=10) as served, client(served) as asking:
        await asking.get("/nowhere")
        await asking.delete("/v1/echo")
        await asking.post("/v1/echo", content=b"x" * 11)
        await asking.post("/v1/echo", content=iter_of(b"x" * 11))
        await asking.get("/metrics", headers={"x-api-key": "wrong"})
        await asking.get("/metrics", headers={"host": "evil.example"})
        await asking.get("/metrics", headers={"origin": "https://evil.example"})
        await asking.options("/metrics", headers={"origin": "https://evil.example"})
        async with httpx2.AsyncClient(trust_env=False) as bare:
            await bare.get(f"{served.url}/metrics")
        assert refused(served) == {
            "host_not_allowed": 1,
            "method_not_allowed": 1,
            "no_token": 1,
            "not_found": 1,
            "origin_not_allowed": 2,
            "request_too_large": 2,
            "wrong_token": 1,
        }
        told = (await asking.get("/metrics", headers={"x-api-key": TOKEN})).text
        assert 'clawmatrix_http_refused_total{reason="wrong_token"} 1.0' in told
        assert 'clawmatrix_http_refused_total{reason="origin_not_allowed"} 2.0' in told


def iter_of(body: bytes) -> Any:
    async def parts() -> Any:
        yield body

    return parts()


async def test_a_length_of_thousands_of_digits_is_just_too_large(serving: Serving) -> None:
    head = (
        f"POST /v1/echo HTTP/1.1\r\nhost: localhost\r\nx-api-key: {TOKEN}\r\nconnection: close\r\n"
    )
    async with serving() as served:
        zeros = f"{head}content-length: {'0' * 5000}3\r\n\r\nabc".encode()
        assert (await ask_raw(served, zeros)).endswith(b"abc")
        most = f"{head}content-length: {2**64 - 1}\r\n\r\n".encode()
        assert (await ask_raw(served, most)).startswith(b"HTTP/1.1 413 ")
        assert served.faults == []


@pytest.mark.bound("clawmatrix_http.refused.REASONS_MOST")
async def test_reasons_are_bounded() -> None:
    totals: Counter[str] = Counter()
    refusals = Refusals(logging.getLogger("clawmatrix.test"), totals, lambda: 0.0)
    for number in range(REASONS_MOST * 2):
        refusals.count(f"reason_{number}", "127.0.0.1")
    assert len(refusals.counts) == len(totals) == REASONS_MOST
    assert refusals.counts["other"] == REASONS_MOST + 1
    assert totals["http_other"] == REASONS_MOST + 1


async def test_the_status_has_a_line_once_something_was_refused() -> None:
    assert refused_lines({"listen": None, "refused": {}}) == []
    told = refused_lines({"listen": None, "refused": {"no_token": 3, "bad_request": 1}})
    assert told == ["HTTP requests refused: 3 no_token, 1 bad_request"]


@pytest.mark.parametrize(("proxies", "who"), [([], "127.0.0.1"), (["127.0.0.1"], "192.0.2.7")])
async def test_forwarded_addresses_are_those_of_configured_proxies_in_the_log(
    serving: Serving, caplog: pytest.LogCaptureFixture, proxies: list[str], who: str
) -> None:
    headers = {"x-forwarded-for": "198.51.100.66, 192.0.2.7"}
    async with serving(proxies=proxies) as served, client(served) as asking:
        await asking.get("/metrics", headers={**headers, "host": "evil.example"})
    assert f"a request from {who} was refused: host_not_allowed" in caplog.messages
