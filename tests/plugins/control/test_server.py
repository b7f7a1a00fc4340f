"""The control socket, over real sockets."""

from __future__ import annotations

import json
import socket
import stat
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_control.server import CLIENTS, ControlServer, open_socket
from clawmatrix_core.base.errors import ExchangeFailure, StateError
from clawmatrix_core.control.address import NOTE, SocketPlace
from clawmatrix_core.control.protocol import REQUEST_LIMIT
from clawmatrix_core.loading.contributions import ControlMethod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from anyio.abc import UNIXSocketStream

pytestmark = pytest.mark.anyio


class Served:
    """A server that runs, and what its methods saw."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: list[str] = []
        self.stream_ended = anyio.Event()

    def methods(self) -> dict[str, ControlMethod]:
        calls: dict[str, Callable[[dict[str, Any]], Any]] = {
            "echo": self.echo,
            "refuse": self.refuse,
            "break": self.break_,
            "object": self.object_,
        }
        streams = {
            "count": self.count,
            "wait": self.wait,
            "halfway": self.halfway,
            "flood": self.flood,
        }
        return {
            **{name: ControlMethod(name, call=fn) for name, fn in calls.items()},
            **{name: ControlMethod(name, stream=fn) for name, fn in streams.items()},
            "neither": ControlMethod("neither"),
        }

    async def echo(self, params: dict[str, Any]) -> Any:
        return params

    async def refuse(self, _: dict[str, Any]) -> Any:
        raise ExchangeFailure("not_here", "not here", detail=3)

    async def break_(self, _: dict[str, Any]) -> Any:
        raise KeyError("secret of the method")

    async def object_(self, _: dict[str, Any]) -> Any:
        return object()

    async def count(self, params: dict[str, Any]) -> AsyncIterator[int]:
        for n in range(params["to"]):
            yield n

    async def wait(self, _: dict[str, Any]) -> AsyncIterator[str]:
        try:
            yield "waiting"
            await anyio.sleep_forever()
        finally:
            self.stream_ended.set()

    async def flood(self, _: dict[str, Any]) -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 10_000
        finally:
            self.stream_ended.set()

    async def halfway(self, _: dict[str, Any]) -> AsyncIterator[int]:
        yield 1
        raise ExchangeFailure("halfway", "no further")


@asynccontextmanager
async def running(folder: Path, **options: Any) -> AsyncIterator[Served]:
    served = Served(folder / "c.sock")
    methods = served.methods()
    server = ControlServer(
        methods.get, lambda: methods, lambda _, name: served.faults.append(str(name)), **options
    )
    async with (
        open_socket(SocketPlace(served.path, folder / "state")) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(server.serve, listener)
        yield served
        await anyio.wait_all_tasks_blocked()  # what the clients did last is seen
        tasks.cancel_scope.cancel()


async def all_of(stream: UNIXSocketStream) -> list[Any]:
    data = b""
    with anyio.fail_after(10):
        while True:
            try:
                data += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return [json.loads(line) for line in data.splitlines()]


async def ask(path: Path, line: bytes) -> list[Any]:
    async with await anyio.connect_unix(path) as stream:
        await stream.send(line)
        return await all_of(stream)


def request(method: str, **params: Any) -> bytes:
    return json.dumps({"method": method, "params": params}).encode() + b"\n"


def code_of(answer: list[Any]) -> str:
    [last] = answer
    return str(last["error"]["code"])


async def test_a_call_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        assert await ask(served.path, request("echo", a=1)) == [{"result": {"a": 1}}]
        assert await ask(served.path, b'{"method": "echo"}\n') == [{"result": {}}]


@pytest.mark.both_loops
async def test_a_stream_is_answered_item_by_item(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        expected = [{"item": 0}, {"item": 1}, {"end": True}]
        assert await ask(served.path, request("count", to=2)) == expected
        assert await ask(served.path, request("count", to=0)) == [{"end": True}]


async def test_a_client_may_close_its_side_before_a_call_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as served, await anyio.connect_unix(served.path) as stream:
        await stream.send(request("echo", a=1))
        await stream.send_eof()
        assert await all_of(stream) == [{"result": {"a": 1}}]


async def test_errors_are_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        answer = await ask(served.path, request("refuse"))
        assert answer == [{"error": {"code": "not_here", "message": "not here", "detail": 3}}]
        answer = await ask(served.path, request("halfway"))
        assert answer[0] == {"item": 1}
        assert answer[1]["error"]["code"] == "halfway"
        assert code_of(await ask(served.path, request("nothing"))) == "unknown_method"
        assert code_of(await ask(served.path, request("neither"))) == "unknown_method"
        assert served.faults == []


@pytest.mark.parametrize("method", ["break", "object", "count"])
async def test_a_broken_method_is_reported_and_its_error_kept_inside(
    tmp_path: Path, method: str
) -> None:
    async with running(tmp_path) as served:
        answer = await ask(served.path, request(method))
        assert code_of(answer) == "internal"
        assert "secret" not in str(answer)
        assert served.faults == [method]
        assert await ask(served.path, request("echo")) == [{"result": {}}]


@pytest.mark.parametrize("line", [b"\n", b"garbage\n", b"\x00\xff\n", b"GET / HTTP/1.1\r\n\r\n"])
async def test_garbage_is_refused(tmp_path: Path, line: bytes) -> None:
    async with running(tmp_path) as served:
        assert code_of(await ask(served.path, line)) == "bad_request"


@pytest.mark.bound("clawmatrix_core.control.protocol.REQUEST_LIMIT")
async def test_a_line_that_does_not_end_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as served, await anyio.connect_unix(served.path) as stream:
        await stream.send(b"x" * (REQUEST_LIMIT + 1))
        assert code_of(await all_of(stream)) == "too_large"


async def test_clients_that_leave_or_say_nothing_do_no_harm(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        for text in (b"", b"{", request("echo")):
            stream = await anyio.connect_unix(served.path)
            if text:
                await stream.send(text)
            await stream.aclose()
        async with await anyio.connect_unix(served.path):
            assert await ask(served.path, request("echo")) == [{"result": {}}]
        assert served.faults == []


async def test_a_client_that_sends_no_request_is_let_go(tmp_path: Path) -> None:
    async with (
        running(tmp_path, patience=0.01) as served,
        await anyio.connect_unix(served.path) as stream,
    ):
        assert code_of(await all_of(stream)) == "timeout"


async def test_a_client_that_reads_nothing_is_let_go(tmp_path: Path) -> None:
    async with running(tmp_path, patience=0.05) as served:
        async with await anyio.connect_unix(served.path) as stream:
            await stream.send(request("flood"))
            with anyio.fail_after(10):
                await served.stream_ended.wait()
            assert await ask(served.path, request("echo")) == [{"result": {}}]
        assert served.faults == []


@pytest.mark.both_loops
async def test_a_stream_ends_when_its_client_leaves(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        async with await anyio.connect_unix(served.path) as stream:
            await stream.send(request("wait"))
            assert await stream.receive() == b'{"item":"waiting"}\n'
        with anyio.fail_after(10):
            await served.stream_ended.wait()
        assert served.faults == []


async def test_many_clients_are_served_at_once(tmp_path: Path) -> None:
    answers: list[Any] = []

    async def one(n: int) -> None:
        answers.extend(await ask(served.path, request("echo", n=n)))

    async with running(tmp_path) as served, anyio.create_task_group() as tasks:
        for n in range(100):
            tasks.start_soon(one, n)
    assert sorted(answer["result"]["n"] for answer in answers) == list(range(100))


@pytest.mark.bound("clawmatrix_control.server.CLIENTS")
async def test_clients_beyond_the_bound_are_told_so(tmp_path: Path) -> None:
    async with running(tmp_path) as served, AsyncExitStack() as held:
        for _ in range(CLIENTS):
            stream = await held.enter_async_context(await anyio.connect_unix(served.path))
            await stream.send(request("wait"))
            await stream.receive()
        async with await anyio.connect_unix(served.path) as one_more:
            assert code_of(await all_of(one_more)) == "busy"


async def test_one_client_too_many_is_told_so(tmp_path: Path) -> None:
    async with running(tmp_path, clients=1) as served:
        async with await anyio.connect_unix(served.path) as first:
            await first.send(request("wait"))
            await first.receive()
            async with await anyio.connect_unix(served.path) as second:
                assert code_of(await all_of(second)) == "busy"
        with anyio.fail_after(10):
            await served.stream_ended.wait()
            while (await ask(served.path, request("echo")))[0] != {"result": {}}:
                await anyio.lowlevel.checkpoint()


async def test_only_the_user_can_connect_and_the_state_folder_says_where(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        mode = served.path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        pointer = tmp_path / "state" / NOTE
        assert pointer.read_text() == f"{served.path}\n"
        assert stat.S_IMODE(pointer.stat().st_mode) == 0o600
    assert not served.path.exists()
    assert list((tmp_path / "state").iterdir()) == []


async def test_a_socket_of_a_dead_node_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "c.sock"))
    async with running(tmp_path) as served:
        assert await ask(served.path, request("echo")) == [{"result": {}}]


async def test_a_socket_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as served:
        with pytest.raises(StateError, match="another process serves"):
            async with open_socket(SocketPlace(served.path, tmp_path / "state")):
                pass
        assert await ask(served.path, request("echo")) == [{"result": {}}]


async def test_a_socket_that_another_node_made_since_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    async with open_socket(SocketPlace(path, tmp_path / "state")):
        path.unlink()
        other = socket.socket(socket.AF_UNIX)
        other.bind(str(path))
    assert path.exists()
    assert (tmp_path / "state" / NOTE).exists()
    other.close()


async def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be made"):
        async with open_socket(SocketPlace(tmp_path / "none" / "c.sock", tmp_path / "state")):
            pass


async def test_an_unknown_method_is_told_why_it_may_be_missing(tmp_path: Path) -> None:
    async with running(tmp_path, why=lambda name: f"; {name} is out") as served:
        [answer] = await ask(served.path, request("dice.rolls"))
        assert answer["error"]["message"].startswith("no method 'dice.rolls'; dice.rolls is out; ")
