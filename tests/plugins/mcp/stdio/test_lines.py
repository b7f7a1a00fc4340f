"""Standard input and output as lines."""

from __future__ import annotations

import os
import socket

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_mcp.stdio.lines import LineReader, LineWriter, Splitter, TooLong

LIMIT = 8


@given(st.lists(st.binary(max_size=12)), st.data())
def test_lines_are_the_same_however_they_are_cut(parts: list[bytes], data: st.DataObject) -> None:
    lines = [part.replace(b"\n", b"").strip() for part in parts]
    whole = b"".join(line + b"\n" for line in lines)
    splitter, found, at = Splitter(LIMIT), list[bytes | TooLong](), 0
    while at < len(whole):
        size = data.draw(st.integers(1, 10))
        found += splitter.feed(whole[at : at + size])
        at += size
    expected = [line if len(line) <= LIMIT else None for line in lines if line]
    assert [None if isinstance(one, TooLong) else one for one in found] == expected


@pytest.mark.bound("clawmatrix_mcp.stdio.lines.MAX_LINE")
def test_a_line_without_end_is_told_once_and_held_never() -> None:
    splitter = Splitter(LIMIT)
    told = [one for _ in range(1000) for one in splitter.feed(b"x" * LIMIT)]
    assert [type(one) for one in told] == [TooLong]
    assert splitter.feed(b"\nnext\n") == [b"next"]


@pytest.mark.anyio
async def test_a_reader_gives_lines_until_the_end() -> None:
    reads, writes = os.pipe()
    reader = LineReader(reads, limit=LIMIT)
    reader.start()
    os.write(writes, b"one\n\n  two\r\nfar too long for it\nno end")
    os.close(writes)
    found = [line async for line in reader.lines]
    assert found[:2] == [b"one", b"two"]
    assert isinstance(found[2], TooLong)
    assert len(found) == 3
    reader.close()
    os.close(reads)


@pytest.mark.anyio
async def test_a_descriptor_that_does_not_block_is_waited_for() -> None:
    ours, others = socket.socketpair()
    with ours, others:
        ours.setblocking(False)
        reader, writer = LineReader(ours.fileno()), LineWriter(ours.fileno())
        reader.start()
        writer.start()
        line = b"x" * (4 * 1024 * 1024)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.write, line)
            await anyio.to_thread.run_sync(_echo, others, len(line) + 1)
            assert await reader.lines.receive() == line
        await writer.aclose()
        others.shutdown(socket.SHUT_WR)
        with pytest.raises(anyio.EndOfStream):
            await reader.lines.receive()
        reader.close()


def _echo(other: socket.socket, size: int) -> None:
    found = b""
    while len(found) < size:
        found += other.recv(1024 * 1024)
    other.sendall(found)


@pytest.mark.anyio
async def test_a_reader_that_has_gone_is_noticed() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    writer = LineWriter(writes)
    writer.start()
    await writer.write(b"nobody reads this")
    with anyio.fail_after(10):
        await writer.broken.wait()
        await writer.write(b"nor this")
        await writer.aclose()
    os.close(writes)
