"""The checks of a transport: what its connections and its listeners have to do."""

from __future__ import annotations

import gc
import os
import weakref
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from clawmatrix_core.base.errors import ConnectionLost, DialError
from clawmatrix_core.testing.acceptance.case import TransportCase, TransportCheck, timed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from clawmatrix_core.wire.transport import Connection, Listener, Transport

__all__ = ["TRANSPORT_CHECKS"]

UNREAD_LIMIT = 32 * 1024 * 1024
"""Bytes by which a transport must have stopped taking messages that nobody reads."""

_PASSING = 24
"""Connections that are opened and closed to see whether any are kept."""
_KEPT = 4
"""How many may be kept: one that was closed last may be dropped with the next."""
_SETTLE = 3.0
"""Seconds a transport has to let go of what is closed."""
_CLOSES = 20
"""How often a closed connection is closed again."""
_CLOSES_LIMIT = 10.0
"""Seconds for all of these: each must return at once, and not wait out a limit of its own."""
_CHUNK = 64 * 1024
_QUIET = 0.25
"""Seconds without progress after which a sender counts as held up."""


async def _connect(transport: Transport, listener: Listener) -> tuple[Connection, Connection]:
    """Return the dialling and the accepting end of a new connection."""
    ends: dict[str, Connection] = {}

    async def accept() -> None:
        ends["accepted"] = await listener.accept()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(accept)
        ends["dialled"] = await transport.dial(listener.addresses[0])
    return ends["dialled"], ends["accepted"]


@asynccontextmanager
async def _connected(case: TransportCase) -> AsyncIterator[tuple[Connection, Connection]]:
    async with case.transport().listen(case.address) as listener:
        dialled, accepted = await _connect(case.transport(), listener)
        try:
            yield dialled, accepted
        finally:
            await dialled.close()
            await accepted.close()


async def _send_all(connection: Connection, messages: list[bytes]) -> None:
    for message in messages:
        await connection.send(message)


async def _expect(connection: Connection, messages: list[bytes]) -> None:
    for index, expected in enumerate(messages):
        received = await connection.receive()
        assert type(received) is bytes, f"message {index} is a {type(received).__name__}"
        assert received == expected, f"message {index} of {len(messages)} is not what was sent"


async def _carry(sender: Connection, receiver: Connection, messages: list[bytes]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_send_all, sender, messages)
        await _expect(receiver, messages)


async def _lost(operation: Awaitable[object]) -> ConnectionLost:
    """Return the ConnectionLost that an operation has to end in."""
    try:
        await operation
    except ConnectionLost as lost:
        return lost
    raise AssertionError("no ConnectionLost from a connection that is closed")


async def _refused(operation: Awaitable[Connection]) -> DialError:
    try:
        connection = await operation
    except DialError as error:
        return error
    await connection.close()
    raise AssertionError("no DialError where nobody listens")


@timed
async def messages_arrive_whole_and_in_order(case: TransportCase) -> None:
    """Messages arrive whole and in the order in which they were sent, either way."""
    messages = [bytes([index % 251]) * (index * 37 % 5000 + 1) for index in range(300)]
    async with _connected(case) as (dialled, accepted):
        await _carry(dialled, accepted, messages)
        await _carry(accepted, dialled, messages)


@timed
async def both_directions_carry_at_once(case: TransportCase) -> None:
    """Both directions carry more at the same time than any buffer holds."""
    there = [index.to_bytes(4) * (_CHUNK // 4) for index in range(400)]
    back = [index.to_bytes(4) * (_CHUNK // 4) for index in range(1000, 1400)]
    async with _connected(case) as (dialled, accepted), anyio.create_task_group() as tasks:
        tasks.start_soon(_carry, dialled, accepted, there)
        tasks.start_soon(_carry, accepted, dialled, back)


@timed
async def empty_and_largest_messages_arrive(case: TransportCase) -> None:
    """An empty message and one of 1 MiB arrive as they are."""
    largest = bytes(range(256)) * 4096
    async with _connected(case) as (dialled, accepted):
        await _carry(dialled, accepted, [b"", largest, b"", b"\x00", largest])
        await _carry(accepted, dialled, [largest, b""])


@timed
async def many_small_messages_arrive(case: TransportCase) -> None:
    """Many small messages are not merged, split or lost."""
    async with _connected(case) as (dialled, accepted):
        await _carry(dialled, accepted, [b"%d" % index for index in range(10_000)])


@timed
async def what_goes_at_once_keeps_its_place(case: TransportCase) -> None:
    """``send_now`` and ``send`` in turns keep order; what need not wait has an end."""
    messages = [index.to_bytes(4) * 1024 for index in range(UNREAD_LIMIT // 4096)]
    async with _connected(case) as (dialled, accepted):
        at_once = 0
        while at_once < len(messages) and dialled.send_now(messages[at_once]):
            at_once += 1
        assert at_once < len(messages), "send_now takes messages that nobody reads, without end"

        async def send_rest() -> None:
            for message in messages[at_once:]:
                if not dialled.send_now(message):
                    await dialled.send(message)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send_rest)
            await _expect(accepted, messages)
        await dialled.close()
        assert not dialled.send_now(b"late"), "send_now takes a message after close"


@timed
async def a_reader_that_stops_holds_up_the_sender(case: TransportCase) -> None:
    """Sending waits while nobody reads, and goes on when somebody does: memory is bounded."""
    total = UNREAD_LIMIT // _CHUNK
    messages = [index.to_bytes(4) * (_CHUNK // 4) for index in range(total)]
    async with _connected(case) as (dialled, accepted):
        sent = 0
        done = anyio.Event()

        async def send() -> None:
            nonlocal sent
            for message in messages:
                await dialled.send(message)
                sent += 1
            done.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            before = -1
            while sent != before and not done.is_set():
                before = sent
                with anyio.move_on_after(_QUIET):
                    await done.wait()
            assert not done.is_set(), f"took {UNREAD_LIMIT} bytes that nobody read"
            await _expect(accepted, messages)


@timed
async def a_close_is_seen_by_the_other_end(case: TransportCase) -> None:
    """A close by either end is seen by the other, with its code and reason, after all messages."""
    for closer in (0, 1):
        async with _connected(case) as ends:
            await ends[closer].send(b"last words")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ends[closer].close, 4001, "time to go")
                await _expect(ends[1 - closer], [b"last words"])
                lost = await _lost(ends[1 - closer].receive())
            assert lost.code == 4001, f"the close code is {lost.code}, not 4001"
            assert "time to go" in str(lost), f"the reason is not in {str(lost)!r}"


@timed
async def a_closed_connection_stays_closed(case: TransportCase) -> None:
    """After a close, receiving and sending raise ConnectionLost at both ends, for ever."""
    async with _connected(case) as (dialled, accepted):
        await accepted.send(b"never read")
        await dialled.close()
        for _ in range(3):
            for end in (dialled, accepted):
                await _lost(end.receive())
                await _lost(end.send(b"too late"))


@timed
async def a_close_ends_a_waiting_receive(case: TransportCase) -> None:
    """A close wakes a task of the same end that waits in ``receive``."""
    async with _connected(case) as (dialled, _), anyio.create_task_group() as tasks:
        tasks.start_soon(_lost, dialled.receive())
        await anyio.wait_all_tasks_blocked()
        await dialled.close()


@timed
async def closing_twice_is_closing_once(case: TransportCase) -> None:
    """Closing again, also from the other end or at the same time, does nothing."""
    async with _connected(case) as (dialled, accepted):
        async with anyio.create_task_group() as tasks:
            for end in (dialled, accepted, dialled):
                tasks.start_soon(end.close, 4002, "enough")
        with anyio.move_on_after(_CLOSES_LIMIT) as scope:
            for number in range(_CLOSES):
                await (dialled, accepted)[number % 2].close(4003)
        assert not scope.cancelled_caught, f"{_CLOSES} more closes took {_CLOSES_LIMIT:g} s"


@timed
async def dialling_nobody_is_a_dial_error(case: TransportCase) -> None:
    """A dial to where nobody listens, or to no address at all, raises DialError with a text."""
    assert str(await _refused(case.transport().dial(case.unreachable))), "an empty message"
    scheme = case.transport().schemes[0]
    assert str(await _refused(case.transport().dial(f"{scheme}://"))), "an empty message"


@timed
async def dials_both_ways_are_two_connections(case: TransportCase) -> None:
    """Two ends that dial each other at the same time get two connections of their own."""
    async with (
        case.transport().listen(case.address) as here,
        case.transport().listen(case.other) as there,
    ):
        pairs: list[tuple[Connection, Connection]] = []

        async def connect(listener: Listener) -> None:
            pairs.append(await _connect(case.transport(), listener))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connect, here)
            tasks.start_soon(connect, there)
        for index, (dialled, accepted) in enumerate(pairs):
            await _carry(dialled, accepted, [b"%d" % index])
        await pairs[0][0].close()
        await _carry(*pairs[1], [b"still here"])
        await pairs[1][0].close()


@timed
async def a_cancelled_receive_loses_nothing(case: TransportCase) -> None:
    """Cancelling ``receive``, at whatever moment, loses no message and leaves it usable."""
    messages = [b"%d" % index for index in range(200)]
    received: list[bytes] = []
    async with _connected(case) as (dialled, accepted):
        for index, message in enumerate(messages):
            async with anyio.create_task_group() as tasks:

                async def receive() -> None:
                    received.append(await accepted.receive())

                tasks.start_soon(receive)
                for _ in range(index % 5):
                    await checkpoint()
                await dialled.send(message)
                for _ in range(index % 3):
                    await checkpoint()
                tasks.cancel_scope.cancel()
        while len(received) < len(messages):
            received.append(await accepted.receive())
        assert received == messages, "messages are missing or out of order"


@timed
async def connections_are_independent(case: TransportCase) -> None:
    """One connection that is not read, or is closed, does not hold up the others."""
    async with case.transport().listen(case.address) as listener:
        transport = case.transport()
        pairs = [await _connect(transport, listener) for _ in range(4)]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_lost, _flood(pairs[0][0]))
            await pairs[1][1].close()
            for dialled, accepted in pairs[2:]:
                await _carry(dialled, accepted, [b"still here"] * 100)
            await pairs[0][1].close()
        for dialled, _ in pairs:
            await dialled.close()


async def _flood(connection: Connection) -> None:
    while True:
        await connection.send(bytes(_CHUNK))


@timed
async def closed_connections_are_not_kept(case: TransportCase) -> None:
    """A listener and a transport that live on keep neither closed connections nor their sockets.

    A node listens for months, and is dialled by whoever likes.
    """
    transport = case.transport()
    async with transport.listen(case.address) as listener:
        await _open_and_close(transport, listener, 0)  # what is made once is made by now
        before = _descriptors()
        seen = [await _open_and_close(transport, listener, n) for n in range(_PASSING)]
        ends = [end for pair in seen for end in pair]
        with anyio.move_on_after(_SETTLE):
            while _kept(ends) > _KEPT or _descriptors() > before + _KEPT:
                gc.collect()
                await anyio.sleep(0.02)
        kept, opened = _kept(ends), _descriptors() - before
        assert kept <= _KEPT, f"{kept} of {len(ends)} ends of closed connections are still kept"
        assert opened <= _KEPT, f"{_PASSING} closed connections left {opened} descriptors open"


async def _open_and_close(
    transport: Transport, listener: Listener, number: int
) -> tuple[weakref.ref[Connection], weakref.ref[Connection]]:
    """Open a connection and close it, by either end in turns; return what shows who keeps it."""
    ends = await _connect(transport, listener)
    first, second = ends if number % 2 else ends[::-1]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.close)
        await _lost(second.receive())
    await second.close()
    return weakref.ref(ends[0]), weakref.ref(ends[1])


def _kept(ends: list[weakref.ref[Connection]]) -> int:
    return sum(end() is not None for end in ends)


def _descriptors() -> int:
    """Return how many files and sockets the process has open."""
    return len(os.listdir("/dev/fd"))


@timed
async def a_closed_listener_refuses_and_closes(case: TransportCase) -> None:
    """Leaving ``listen`` closes what was accepted, refuses dials, and frees the address."""
    for _ in range(2):
        async with case.transport().listen(case.address) as listener:
            address = listener.addresses[0]
            dialled, _accepted = await _connect(case.transport(), listener)
        await _lost(dialled.receive())
        await dialled.close()
        await _refused(case.transport().dial(address))


TRANSPORT_CHECKS: tuple[TransportCheck, ...] = (
    messages_arrive_whole_and_in_order,
    both_directions_carry_at_once,
    empty_and_largest_messages_arrive,
    many_small_messages_arrive,
    what_goes_at_once_keeps_its_place,
    a_reader_that_stops_holds_up_the_sender,
    a_close_is_seen_by_the_other_end,
    a_closed_connection_stays_closed,
    a_close_ends_a_waiting_receive,
    closing_twice_is_closing_once,
    dialling_nobody_is_a_dial_error,
    dials_both_ways_are_two_connections,
    a_cancelled_receive_loses_nothing,
    connections_are_independent,
    closed_connections_are_not_kept,
    a_closed_listener_refuses_and_closes,
)
"""Every check of a transport. A check's name says what the transport must do."""
