"""A malicious relay alters what it passes on: nothing of it is taken, each attempt is counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.control.address import control_socket_path
from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.mesh.mallory import LAB, OFFICE, Caught, Mallory, pass_on, scene

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.kernel.node import Node

    Alter = Callable[[Caught], bytes]

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Run these on asyncio alone: there are many, and no event loop has a part in them."""
    return "asyncio"


def fields(**changes: object) -> Alter:
    return lambda caught: caught.with_fields(**changes)


def bumped(name: str) -> Alter:
    """Return what adds 1 to a field that is a number."""
    return lambda caught: caught.with_fields(**{name: getattr(caught.header, name) + 1})


def flipped(name: str) -> Alter:
    return lambda caught: caught.with_fields(**{name: not getattr(caught.header, name)})


def line(change: Callable[[bytes], bytes]) -> Alter:
    return lambda caught: caught.with_line(change(caught.line))


def body(change: Callable[[bytes], bytes]) -> Alter:
    return lambda caught: caught.with_body(change(caught.body))


def xor(data: bytes, place: int) -> bytes:
    """Return the bytes with one bit of one of them changed."""
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def counter(number: Callable[[int], int]) -> Alter:
    """Return what writes another counter into a sealed body."""

    def change(sealed: bytes) -> bytes:
        place = number(int.from_bytes(sealed[8:16], "big")) % 2**64
        return sealed[:8] + place.to_bytes(8, "big") + sealed[16:]

    return body(change)


IN_THE_HEADER: dict[str, Alter] = {
    **{f"type {kind}": fields(type=kind) for kind in ("letter", "error", "cancel", "probe")},
    **{
        f"kind {kind}": fields(type=kind) for kind in ("credit", "unknown", "ping", "session_proof")
    },
    "id": fields(id="another"),
    "no id": fields(id=""),
    "from": fields(from_="lab"),
    "from itself": fields(from_="mallory"),
    "from nobody": fields(from_="nobody"),
    "timestamp": bumped("timestamp"),
    "seq": bumped("seq"),
    "seq far": fields(seq=2**53 - 2),
    "re": flipped("re"),
    "fin": flipped("fin"),
    "ack": bumped("ack"),
    "ack far": fields(ack=2**53 - 1),
    "limit": bumped("limit"),
    "limit far": fields(limit=2**53 - 1),
    "deadline": bumped("deadline"),
    "lane": lambda caught: caught.with_fields(lane=2 - caught.header.lane or 2),
    "a field more": fields(of_version_2=True),
    "a space": line(lambda text: text.replace(b":", b": ", 1)),
    "another order": line(lambda text: json.dumps(json.loads(text), sort_keys=True).encode()),
    "a field twice": line(lambda text: text[:-1] + b',"seq":0}'),
}

IN_THE_BODY: dict[str, Alter] = {
    "counter up": counter(lambda number: number + 5000),
    "counter far back": counter(lambda number: number - 5000),
    "counter at its end": counter(lambda _: 2**64 - 1),
    "counter near 2^63": counter(lambda _: 2**63 - 1),
    "first byte": body(lambda sealed: xor(sealed, 16)),
    "last byte": body(lambda sealed: xor(sealed, -1)),
    "the tag": body(lambda sealed: xor(sealed, -16)),
    "cut": body(lambda sealed: sealed[:-1]),
    "longer": body(lambda sealed: sealed + b"\0"),
    "nothing sealed": body(lambda sealed: sealed[:16] + bytes(16)),
}


async def is_refused(
    caplog: pytest.LogCaptureFixture, alter: Alter, reason: str, log: str, at: NodeId = OFFICE
) -> None:
    """Send an altered copy before each frame of letters to office: it is counted each time.

    ``reason`` is one word, or several where it depends on the frame.
    """
    attempts = 0
    reasons = reason.split()

    def act(mallory: Mallory, caught: Caught) -> None:
        nonlocal attempts
        altered = alter(caught) if caught.sealed and caught.header.to == OFFICE else None
        if altered not in (None, caught.message):
            attempts += 1
            mallory.deliver(at, altered)
        pass_on(mallory, caught)

    async with scene(caplog) as found:
        before = found.refused(at, reasons)
        found.mallory.act = act
        for _ in range(2):
            assert await found.letter()
        assert attempts > 20
        await wait_until(lambda: found.refused(at, reasons) >= before + attempts)
        assert found.refused(at, reasons) == before + attempts
        assert 1 <= found.logged(log) <= len(reasons)
        await found.is_well()


@pytest.mark.parametrize("alter", IN_THE_HEADER.values(), ids=IN_THE_HEADER)
async def test_a_frame_with_another_header_is_forged(
    caplog: pytest.LogCaptureFixture, alter: Alter
) -> None:
    await is_refused(caplog, alter, "forged", "refused from")


@pytest.mark.parametrize("alter", IN_THE_BODY.values(), ids=IN_THE_BODY)
async def test_a_frame_with_another_body_is_forged(
    caplog: pytest.LogCaptureFixture, alter: Alter
) -> None:
    await is_refused(caplog, alter, "forged", "refused from home (by way of mallory)")


@pytest.mark.parametrize("kind", ["json", "bytes"])
async def test_a_frame_that_says_it_is_not_sealed_is_refused(
    caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    await is_refused(caplog, fields(body=kind), "unsealed", "an unsealed")


@pytest.mark.parametrize("kind", ["session_open", "session_accept", "session_unknown"])
async def test_a_frame_made_into_an_opening_opens_nothing(
    caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    reasons = {"session_open": "forged short", "session_accept": "session_stray"}
    log = "a session is not known there" if kind == "session_unknown" else "refused from home"
    await is_refused(caplog, fields(type=kind, body="bytes"), reasons.get(kind, kind), log)


@pytest.mark.parametrize("size", [0, 1, 8, 31])
async def test_a_body_that_is_too_short_is_refused(
    caplog: pytest.LogCaptureFixture, size: int
) -> None:
    await is_refused(caplog, body(lambda sealed: sealed[:size]), "short", "a sealed body of")


async def test_a_body_of_another_session_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    alter = body(lambda sealed: xor(sealed, 0))
    await is_refused(caplog, alter, "unknown_session", "a session that is not known here")


async def test_a_frame_turned_to_another_node_opens_nothing_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    alter = fields(to="lab")
    log = "a session that is not known here"
    await is_refused(caplog, alter, "unknown_session", log, at=LAB)


@pytest.mark.parametrize(
    "alter",
    [
        lambda caught: b"\x21" + caught.message[1:],
        lambda caught: b"\xff" + caught.message[1:],
        lambda caught: caught.with_line(b""),
        lambda caught: caught.with_fields(seq=-1),
        lambda caught: caught.with_fields(body="open"),
        lambda caught: caught.with_fields(type="x" * 65),
        lambda caught: caught.message[:40],
    ],
    ids=["ttl 33", "ttl 255", "no header", "seq", "body", "type", "cut"],
)
async def test_what_is_no_frame_costs_the_relay_its_link_and_no_letter(
    caplog: pytest.LogCaptureFixture, alter: Alter
) -> None:
    done = False

    def act(mallory: Mallory, caught: Caught) -> None:
        nonlocal done
        if not done and caught.header.type == "data" and caught.header.to == OFFICE:
            done = True
            mallory.deliver(OFFICE, alter(caught))
        pass_on(mallory, caught)

    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        assert done
        assert found.refused("office", ["bad_ttl", "bad_header", "header_too_large"]) == 1
        assert found.logged("refused from mallory") == 1
        await found.is_well()


@pytest.mark.parametrize("ttl", [0, 1, 7, 32])
async def test_another_ttl_changes_nothing_for_who_a_frame_is_for(
    caplog: pytest.LogCaptureFixture, ttl: int
) -> None:
    def act(mallory: Mallory, caught: Caught) -> None:
        link = mallory.node.links[caught.header.to]
        link.enqueue(bytes([ttl]) + caught.message[1:], 0)

    async with scene(caplog) as found:
        found.mallory.act = act
        assert await found.letter()
        assert await found.letter("office", "home")
        await found.is_well()


async def status_of(node: Node) -> Any:
    """Return what ``clawmatrix status --json`` gets from the node's socket."""
    path = control_socket_path(node.config.state_dir)
    async with await anyio.connect_unix(path) as stream:
        await stream.send(b'{"method": "status", "params": {"probe": false}}\n')
        answer = b""
        with anyio.fail_after(10):
            while not answer.endswith(b"\n"):
                answer += await stream.receive()
    return json.loads(answer)["result"]


async def test_what_was_refused_is_in_the_status(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = {"state_dir": str(tmp_path / "state")}

    def act(mallory: Mallory, caught: Caught) -> None:
        if caught.sealed and caught.header.to == OFFICE:
            mallory.deliver(OFFICE, caught.with_fields(seq=caught.header.seq + 1))
            pass_on(mallory, caught)
        pass_on(mallory, caught)

    async with scene(caplog, more=("control",), tables=folder) as found:
        found.mallory.act = act
        assert await found.letter()
        office = found.nodes["office"]
        refused = (await status_of(office))["node"]["refused"]
        assert refused["forged"] == office.counters["forged"] > 10
        assert refused["replay"] == office.counters["replay"] > 10
        await found.is_well()
