"""The pipe between reading and writing."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_model_proxy.serving.byte_queue import ByteQueue

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]


async def test_what_has_gathered_comes_out_in_one_piece() -> None:
    pipe = ByteQueue()
    pipe.put(b"a")
    pipe.put(b"b")
    assert await anext(pipe) == b"ab"
    pipe.put(b"c")
    pipe.close()
    assert [piece async for piece in pipe] == [b"c"]


async def test_a_reader_that_waits_is_woken_by_bytes_and_by_the_end() -> None:
    pipe = ByteQueue()
    got: list[bytes] = []

    async def read() -> None:
        got.extend([piece async for piece in pipe])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        pipe.put(b"a")
        await anyio.wait_all_tasks_blocked()
        pipe.close()
    assert got == [b"a"]


async def test_an_error_comes_after_all_bytes() -> None:
    pipe = ByteQueue()
    pipe.put(b"a")
    pipe.close(ExchangeFailure("upstream_broke", "x"))
    assert await anext(pipe) == b"a"
    with pytest.raises(ExchangeFailure):
        await anext(pipe)


@pytest.mark.bound("clawmatrix_model_proxy.serving.byte_queue.ROOM")
async def test_a_full_pipe_makes_its_writer_wait() -> None:
    pipe = ByteQueue(room=4)
    waited: list[str] = []

    async def write() -> None:
        pipe.put(b"1234")
        assert pipe.full
        await pipe.wait_room()
        waited.append("done")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.wait_all_tasks_blocked()
        assert waited == []
        assert await anext(pipe) == b"1234"
    assert waited == ["done"]
    assert not pipe.full


async def test_there_is_no_waiting_while_there_is_room() -> None:
    pipe = ByteQueue(room=4)
    pipe.put(b"123")
    with anyio.fail_after(1):
        await pipe.wait_room()


async def test_what_is_put_back_comes_before_all_else() -> None:
    pipe = ByteQueue()
    pipe.put(b"first")
    assert await anext(pipe) == b"first"
    pipe.put(b", second")
    pipe.put_back(b"first")
    pipe.put_back(b"")
    pipe.close()
    assert [data async for data in pipe] == [b"first, second"]
