"""The HTTP client over real sockets, on asyncio and trio: connections, TLS, proxies."""

from __future__ import annotations

import contextlib
import gzip
import math
import socket
import ssl
import threading
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
import trustme
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSListener

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.base.lookups import TcpAddress
from clawmatrix_core.base.tcp import TcpDialler, connect
from clawmatrix_model_proxy.http.client import KEPT, HttpClient, TooLate
from clawmatrix_model_proxy.http.dialler import HttpAddress, HttpDialler
from clawmatrix_model_proxy.http.inflater import PIECE
from tests.plugins.tcp import pass_on, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from anyio.abc import ByteStream, SocketStream

    from clawmatrix_model_proxy.http.connection import HttpConnection, HttpResponse
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio

BODY = b'{"id": 1}'


@asynccontextmanager
async def client_of(
    dialler: HttpDialler | None = None, *, kept: float = KEPT
) -> AsyncIterator[HttpClient]:
    client = HttpClient(dialler or HttpDialler(5.0), write=5.0, kept=kept)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.run)
        try:
            yield client
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await client.aclose()


async def ask(
    client: HttpClient, url: str, target: str | None = None, seconds: float = math.inf
) -> HttpResponse:
    address = HttpAddress.parse(url)
    head = f"POST {target or address.path} HTTP/1.1\r\nhost: {address.authority}\r\n"
    request = f"{head}content-length: 0\r\n\r\n".encode()
    return await client.ask(address, request, anyio.current_time() + seconds)


async def read(answer: HttpResponse) -> bytes:
    whole = b""
    try:
        while piece := await answer.receive():
            whole += piece
    finally:
        await answer.close()
    return whole


async def answer(asked: Asked) -> None:
    await asked.answer(BODY)


# --- time


@pytest.mark.both_loops
@pytest.mark.parametrize("before", [0, 1], ids=["first", "used again"])
async def test_an_answer_that_does_not_begin_in_time_closes_its_connection(
    before: int, upstreaming: Upstreaming
) -> None:
    async def silent(asked: Asked) -> None:
        if len(up.asked) != before + 1:
            await answer(asked)
            return
        with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            await asked.stream.receive()
        closed.set()

    closed = anyio.Event()
    async with upstreaming(silent) as up, client_of() as client:
        for _ in range(before):
            assert await read(await ask(client, up.base_url, seconds=5.0)) == BODY
        with pytest.raises(TooLate):
            await ask(client, up.base_url, seconds=0.05)
        with anyio.fail_after(10):
            await closed.wait()
        assert repr(client) == "<HttpClient 0 idle>"
        assert await read(await ask(client, up.base_url, seconds=5.0)) == BODY


async def test_the_time_for_the_head_does_not_end_the_body(upstreaming: Upstreaming) -> None:
    async def slow(asked: Asked) -> None:
        if len(up.asked) == 1:
            await answer(asked)
            return
        await asked.stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n12")
        await over.wait()
        await asked.stream.send(b"34")

    over = anyio.Event()
    async with upstreaming(slow) as up, client_of() as client:
        assert await read(await ask(client, up.base_url)) == BODY
        began = anyio.current_time()
        found = await ask(client, up.base_url, seconds=0.5)
        assert await found.receive() == b"12"
        await anyio.sleep_until(began + 0.6)  # past the time that the head had
        over.set()
        assert await read(found) == b"34"


async def test_an_answer_over_tls_that_does_not_begin_in_time_is_too_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def once(stream: ByteStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    await stream.receive()

    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with authority.serve(once) as url, client_of() as client:
        assert await read(await ask(client, url)) == b"ok"
        with anyio.fail_after(10), pytest.raises(TooLate):
            await ask(client, url, seconds=0.05)


# --- names


class Names:
    """Names and numbers as tests have them; what is no number of this machine never answers."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names

    async def resolve(self, host: str, port: int) -> list[TcpAddress]:
        if host not in self.names:
            await anyio.sleep_forever()
        return [TcpAddress(socket.AF_INET, (number, port)) for number in self.names[host]]

    async def connect(self, address: TcpAddress) -> socket.socket:
        if not address.ip.is_loopback:
            await anyio.sleep_forever()
        return await connect(address)

    def dialler(self, limit: float = 5.0) -> HttpDialler:
        return HttpDialler(limit, tcp=TcpDialler(self.resolve, self.connect, stagger=0.01))


@pytest.mark.both_loops
async def test_dead_first_address_of_an_upstream_is_passed_over(upstreaming: Upstreaming) -> None:
    dialler = Names(two=["192.0.2.1", "127.0.0.1"]).dialler()
    async with upstreaming(answer) as up, client_of(dialler) as client:
        with anyio.fail_after(10):
            url = up.base_url.replace("127.0.0.1", "two")
            assert await read(await ask(client, url)) == BODY


async def test_dns_outage_is_told_and_takes_no_other_upstream_along(
    upstreaming: Upstreaming,
) -> None:
    dialler = Names(localhost=["127.0.0.1"]).dialler(limit=1.0)
    async with (
        upstreaming(answer) as up,
        client_of(dialler) as client,
        anyio.create_task_group() as tasks,
    ):
        found: list[ExchangeFailure] = []

        async def ask_gone(number: int) -> None:
            with pytest.raises(ExchangeFailure) as failure:
                await ask(client, f"http://gone{number}.example/v1/x")
            found.append(failure.value)

        for number in range(60):
            tasks.start_soon(ask_gone, number)
        await anyio.wait_all_tasks_blocked()
        url = up.base_url.replace("127.0.0.1", "localhost")
        assert await read(await ask(client, url)) == BODY
        assert found == []
    assert {(failure.code, failure.may_have_begun) for failure in found} == {
        ("upstream_timeout", False)
    }
    assert "no name server answered" in str(found[0])


# --- connections


async def test_a_connection_is_used_again_once_its_answer_is_read(upstreaming: Upstreaming) -> None:
    async with upstreaming(answer) as up, client_of() as client:
        for _ in range(3):
            assert await read(await ask(client, up.base_url)) == BODY
    assert len({id(asked.stream) for asked in up.asked}) == 1


async def test_an_answer_that_is_left_early_closes_its_connection(upstreaming: Upstreaming) -> None:
    gone = anyio.Event()

    async def half(asked: Asked) -> None:
        await asked.begin_stream()
        await asked.chunk(b"some")
        await asked.wait_gone()
        gone.set()

    async with upstreaming(half) as up, client_of() as client:
        found = await ask(client, up.base_url)
        assert await found.receive() == b"some"
        await found.close()
        with anyio.fail_after(5):
            await gone.wait()
        assert repr(client) == "<HttpClient 0 idle>"


@pytest.mark.both_loops
async def test_a_call_that_is_cancelled_closes_its_connection(upstreaming: Upstreaming) -> None:
    asked_for, gone = anyio.Event(), anyio.Event()

    async def silent(asked: Asked) -> None:
        asked_for.set()
        await asked.wait_gone()
        gone.set()

    async with upstreaming(silent) as up, client_of() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, client, up.base_url)
            await asked_for.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await gone.wait()


async def test_a_connection_that_the_server_closed_is_not_used_again(
    upstreaming: Upstreaming,
) -> None:
    closed = anyio.Event()

    async def once(asked: Asked) -> None:
        await asked.answer(BODY)
        await asked.stream.aclose()
        closed.set()

    async with upstreaming(once) as up, client_of() as client:
        for _ in range(3):
            assert await read(await ask(client, up.base_url)) == BODY
            await closed.wait()
            closed = anyio.Event()


async def test_a_connection_that_is_idle_for_long_is_closed(upstreaming: Upstreaming) -> None:
    gone = anyio.Event()

    async def once(asked: Asked) -> None:
        await asked.answer(BODY)
        await asked.wait_gone()
        gone.set()

    async with upstreaming(once) as up, client_of(kept=0.05) as client:
        await read(await ask(client, up.base_url))
        with anyio.fail_after(5):
            await gone.wait()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(BODY, mtime=0)), ("deflate", zlib.compress(BODY)), ("identity", BODY)],
)
async def test_a_compressed_body_is_opened(
    encoding: str, packed: bytes, upstreaming: Upstreaming
) -> None:
    async def packing(asked: Asked) -> None:
        await asked.answer(packed, content_encoding=encoding)

    async with upstreaming(packing) as up, client_of() as client:
        assert await read(await ask(client, up.base_url)) == BODY


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_a_body_that_cannot_be_opened_is_broken(
    encoding: str, upstreaming: Upstreaming
) -> None:
    async def packing(asked: Asked) -> None:
        await asked.answer(BODY, content_encoding=encoding)

    async with upstreaming(packing) as up, client_of() as client:
        with pytest.raises(ExchangeFailure) as caught:
            await read(await ask(client, up.base_url))
    assert caught.value.code == "upstream_broke"


# --- connecting


async def test_a_server_that_accepts_nothing_is_given_up_in_time() -> None:
    # A listener that is full: further connections are neither taken nor refused.
    dialler = HttpDialler(0.2)
    opened: list[HttpConnection] = []

    async def fill(address: HttpAddress) -> None:
        for _ in range(8):
            opened.append(await dialler.dial(address))  # noqa: PERF401 - kept if one fails

    async with await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=0) as listener:
        port = listener.extra(SocketAttribute.local_port)
        with pytest.raises(ExchangeFailure) as caught:
            await fill(HttpAddress.parse(f"http://127.0.0.1:{port}/v1"))
    for connection in opened:
        await connection.close()
    assert (caught.value.code, caught.value.may_have_begun) == ("upstream_timeout", False)


class Authority:
    """Serves over TLS with a certificate of its own making."""

    def __init__(self, folder: Path, name: str = "127.0.0.1") -> None:
        made = trustme.CA()
        self.file = folder / "ca.pem"
        made.cert_pem.write_to_path(self.file)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.issue_cert(name).configure_cert(self._context)

    @asynccontextmanager
    async def serve(
        self, answer: Callable[[ByteStream], Awaitable[None]] | None = None
    ) -> AsyncIterator[str]:
        inner = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = inner.extra(SocketAttribute.local_port)
        listener = TLSListener(inner, self._context, standard_compatible=False)
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, answer or _answer_over)
            yield f"https://127.0.0.1:{port}/v1"
            tasks.cancel_scope.cancel()


async def _answer_over(stream: ByteStream) -> None:
    async with stream:
        while True:
            try:
                await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return
            await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n" + BODY)


async def test_https_is_asked_with_the_certificates_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with authority.serve() as url, client_of() as client:
        for _ in range(2):
            assert await read(await ask(client, url)) == BODY
        assert repr(client) == "<HttpClient 1 idle>"


async def test_a_certificate_of_a_stranger_is_refused(tmp_path: Path) -> None:
    async with Authority(tmp_path).serve() as url, client_of() as client:
        with pytest.raises(ExchangeFailure, match="certificate is not trusted") as caught:
            await ask(client, url)
    assert (caught.value.code, caught.value.may_have_begun) == ("upstream_unreachable", False)


async def test_a_certificate_of_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, "elsewhere.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with authority.serve() as url, client_of() as client:
        with pytest.raises(ExchangeFailure, match="certificate is not trusted"):
            await ask(client, url)


# --- proxies


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    return monkeypatch


async def test_a_proxy_is_asked_for_the_whole_url(
    upstreaming: Upstreaming, no_proxies: pytest.MonkeyPatch
) -> None:
    async with upstreaming(answer) as proxy:
        place = proxy.base_url.removesuffix("/v1").removeprefix("http://")
        no_proxies.setenv("http_proxy", f"http://me:p%40ss@{place}")
        dialler = HttpDialler(5.0, proxy_from_env=True)
        target, more = dialler.target(HttpAddress.parse("http://models.test:8000/v1/x"))
        assert target == "http://models.test:8000/v1/x"
        assert more == "proxy-authorization: Basic bWU6cEBzcw==\r\n"
        async with client_of(dialler) as client:
            assert await read(await ask(client, "http://models.test:8000/v1/x", target)) == BODY
    [asked] = proxy.asked
    assert asked.head.startswith(b"POST http://models.test:8000/v1/x HTTP/1.1\r\n")


async def test_https_goes_through_a_tunnel(tmp_path: Path, no_proxies: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    no_proxies.setenv("SSL_CERT_FILE", str(authority.file))
    heads: list[bytes] = []

    async def tunnel(near: ByteStream) -> None:
        async with near:
            heads.append(await near.receive())
            host, _, port = heads[0].split()[1].decode().rpartition(":")
            async with await anyio.connect_tcp(host, int(port)) as far:
                await near.send(b"HTTP/1.1 200 Connected\r\n\r\n")
                await pass_on(near, far)

    async with authority.serve() as url, serving(tunnel) as port:
        no_proxies.setenv("https_proxy", f"127.0.0.1:{port}")
        dialler = HttpDialler(5.0, proxy_from_env=True)
        assert dialler.target(HttpAddress.parse(url)) == ("/v1", "")
        async with client_of(dialler) as client:
            assert await read(await ask(client, url)) == BODY
    assert heads[0].startswith(b"CONNECT " + url[8:-3].encode() + b" HTTP/1.1\r\n")


async def test_a_proxy_that_does_not_connect_is_told_of(
    upstreaming: Upstreaming, no_proxies: pytest.MonkeyPatch
) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:

        async def refuse(stream: ByteStream) -> None:
            async with stream:
                await stream.receive()
                await stream.send(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, refuse)
            no_proxies.setenv(
                "all_proxy", f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            )
            async with client_of(HttpDialler(5.0, proxy_from_env=True)) as client:
                with pytest.raises(ExchangeFailure, match="the proxy answers 407") as caught:
                    await ask(client, "https://models.test/v1")
            tasks.cancel_scope.cancel()
    assert (caught.value.code, caught.value.may_have_begun) == ("upstream_unreachable", False)


async def test_a_proxy_whose_answer_has_no_end_is_left(no_proxies: pytest.MonkeyPatch) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:

        async def ramble(stream: ByteStream) -> None:
            async with stream:
                await stream.send(b"HTTP/1.1 200 OK\r\n")
                with contextlib.suppress(anyio.BrokenResourceError):
                    while True:
                        await stream.send(b"more: and more\r\n" * 1000)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, ramble)
            port = listener.extra(SocketAttribute.local_port)
            no_proxies.setenv("all_proxy", f"http://127.0.0.1:{port}")
            async with client_of(HttpDialler(5.0, proxy_from_env=True)) as client:
                with pytest.raises(ExchangeFailure, match="its head has more than"):
                    await ask(client, "https://models.test/v1")
            tasks.cancel_scope.cancel()


async def test_hosts_that_are_excepted_are_asked_without_a_proxy(
    upstreaming: Upstreaming, no_proxies: pytest.MonkeyPatch
) -> None:
    no_proxies.setenv("http_proxy", "http://127.0.0.1:1")
    no_proxies.setenv("no_proxy", "127.0.0.1")
    dialler = HttpDialler(5.0, proxy_from_env=True)
    async with upstreaming(answer) as up, client_of(dialler) as client:
        assert dialler.target(HttpAddress.parse(up.base_url)) == ("/v1", "")
        assert await read(await ask(client, up.base_url)) == BODY


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://"])
async def test_a_proxy_of_another_kind_is_refused(
    proxy: str, no_proxies: pytest.MonkeyPatch
) -> None:
    no_proxies.setenv("https_proxy", proxy)
    async with client_of(HttpDialler(5.0, proxy_from_env=True)) as client:
        with pytest.raises(ExchangeFailure, match="not an address") as caught:
            await ask(client, "https://models.test/v1")
    assert caught.value.code == "upstream_unreachable"


# --- addresses


@pytest.mark.parametrize(
    ("url", "authority", "host_port", "path"),
    [
        ("http://models.test/v1", "models.test", "models.test:80", "/v1"),
        ("https://models.test", "models.test", "models.test:443", "/"),
        ("https://models.test:8443/a b/ü", "models.test:8443", "models.test:8443", "/a%20b/%C3%BC"),
        ("http://[::1]:8000/v1", "[::1]:8000", "[::1]:8000", "/v1"),
        ("http://[::1]/v1", "[::1]", "[::1]:80", "/v1"),
        ("http://bücher.test/v1%2Fx", "xn--bcher-kva.test", "xn--bcher-kva.test:80", "/v1%2Fx"),
    ],
)
async def test_an_address_is_written_as_it_travels(
    url: str, authority: str, host_port: str, path: str
) -> None:
    address = HttpAddress.parse(url)
    assert (address.authority, address.host_port, address.path) == (authority, host_port, path)


@pytest.mark.parametrize("proxy", ["http://me:correct/horse@h:1", "me:correct@h:horse", "//[x"])
async def test_a_proxy_of_the_environment_is_named_without_its_password(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    dialler = HttpDialler(5.0, proxy_from_env=True)
    address = HttpAddress.parse("http://models.test/v1")
    with pytest.raises(ExchangeFailure, match="the proxy of the environment is not") as caught:
        await dialler.dial(address)
    with pytest.raises(ExchangeFailure):
        dialler.target(address)
    assert "correct" not in str(caught.value)
    assert "horse" not in str(caught.value)


async def test_idle_connections_that_are_closed_meanwhile_go_to_one_caller_each(
    upstreaming: Upstreaming,
) -> None:
    both, ended = anyio.Event(), anyio.Event()

    async def at_once(asked: Asked) -> None:
        if len(up.asked) == 2:
            both.set()
        with anyio.move_on_after(1):
            await both.wait()
        await answer(asked)
        if asked is up.asked[1]:
            await asked.stream.aclose()
            ended.set()

    async def call() -> None:
        assert await read(await ask(client, up.base_url)) == BODY

    async with upstreaming(at_once) as up, client_of() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            tasks.start_soon(call)
        await ended.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)  # waits for the one that ended to be closed
            tasks.start_soon(client._close, 0.0)
            tasks.start_soon(call)
    used = [id(asked.stream) for asked in up.asked[2:]]
    assert len(used) == len(set(used)) == 2


@pytest.mark.parametrize("cut", [1, 9, 30])
async def test_a_compressed_body_that_is_cut_is_broken(cut: int, upstreaming: Upstreaming) -> None:
    packed = gzip.compress(BODY * 100)

    async def half(asked: Asked) -> None:
        await asked.answer(packed[:-cut], content_encoding="gzip")

    async with upstreaming(half) as up, client_of() as client:
        with pytest.raises(ExchangeFailure, match="cut off"):
            await read(await ask(client, up.base_url))


async def test_members_that_are_empty_are_passed_over_however_many(
    upstreaming: Upstreaming,
) -> None:
    packed = gzip.compress(b"") * 10_000 + gzip.compress(BODY)

    async def answer(asked: Asked) -> None:
        await asked.answer(packed, content_encoding="gzip")

    async with upstreaming(answer) as up, client_of() as client:
        assert await read(await ask(client, up.base_url)) == BODY


@pytest.mark.bound("clawmatrix_model_proxy.http.inflater.PIECE")
async def test_a_small_body_that_opens_into_a_huge_one_comes_in_pieces(
    upstreaming: Upstreaming,
) -> None:
    packed = gzip.compress(bytes(20 * PIECE)) + gzip.compress(b"end")

    async def bomb(asked: Asked) -> None:
        await asked.answer(packed, content_encoding="gzip")

    sizes = []
    async with upstreaming(bomb) as up, client_of() as client:
        found = await ask(client, up.base_url)
        while piece := await found.receive():
            sizes.append(len(piece))
        await found.close()
    assert max(sizes) <= PIECE
    assert sum(sizes) == 20 * PIECE + 3


async def test_the_answer_of_a_server_that_does_not_want_the_whole_request_is_read() -> None:
    said = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno"

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive(1000)
            await stream.send(said)
            await done.wait()

    done = anyio.Event()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        async with client_of() as client:
            address = HttpAddress.parse(f"http://127.0.0.1:{port}/v1")
            head = b"POST /v1 HTTP/1.1\r\ncontent-length: 50000000\r\n\r\n"
            tasks.start_soon(_set_soon, done)
            found = await client.ask(address, head + bytes(50_000_000))
            assert (found.status, await read(found)) == (413, b"no")
            assert repr(client) == "<HttpClient 0 idle>"
        tasks.cancel_scope.cancel()


async def _set_soon(event: anyio.Event) -> None:
    await anyio.sleep(0.2)  # until the client is in the middle of its request
    event.set()


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_an_answer_that_nobody_asked_for_goes_to_nobody(
    turns: int, upstreaming: Upstreaming
) -> None:
    async def twice(asked: Asked) -> None:
        await answer(asked)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        await asked.answer(b"what another asked for")

    async with upstreaming(twice) as up, client_of() as client:
        for _ in range(20):
            assert await read(await ask(client, up.base_url)) == BODY
            await anyio.wait_all_tasks_blocked()


async def test_an_answer_that_tls_keeps_back_goes_to_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %05d\r\n\r\n"
    body = bytes(16384 - len(head % 0))  # the answer fills one record, and one more comes with it

    async def twice(stream: ByteStream) -> None:
        async with stream:
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while await stream.receive():
                    await stream.send(head % len(body) + body + head % 6 + b"stolen")

    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with authority.serve(twice) as url, client_of() as client:
        for _ in range(3):
            assert await read(await ask(client, url)) == body


@pytest.mark.both_loops
async def test_an_upstream_is_read_no_faster_than_its_answer_is_taken() -> None:
    sent, total, piece = [0], 256 * 1024 * 1024, bytes(1024 * 1024)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with contextlib.suppress(OSError):
                while sent[0] < total:
                    connection.sendall(piece)
                    sent[0] += len(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        address = HttpAddress.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        connection = await HttpDialler(5.0).dial(address)
        await connection.send(b"POST /v1 HTTP/1.1\r\n\r\n", 5.0)
        for _ in range(20_000):  # before anything is received, so that nothing but the dialler acts
            await anyio.lowlevel.checkpoint()
            if sent[0] == total:
                break
        await connection.read_head()
        await connection.close()
        thread.join()
    assert sent[0] < total // 4
