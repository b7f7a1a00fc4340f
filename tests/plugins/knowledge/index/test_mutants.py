"""Changes and messages with something changed: refused, or as harmless as what was not changed."""

from __future__ import annotations

import hashlib
import os
import random
import zlib
from typing import TYPE_CHECKING

import pytest
from automerge.core import Document

from clawmatrix_knowledge.index.backend import read_reply, write_request
from clawmatrix_knowledge.index.changes import read_change
from clawmatrix_knowledge.index.gate import MalformedError
from clawmatrix_knowledge.index.handle import Handler
from clawmatrix_knowledge.index.messages import Have, Message, read_message, write_message
from clawmatrix_knowledge.index.numbers import Reader, unsigned
from clawmatrix_knowledge.index.words import Failed, Open, Receive, Received, Save, Saved, Share
from tests.plugins.knowledge.index.helpers import Writer, version

if TYPE_CHECKING:
    from clawmatrix_knowledge.versions import Version

MUTANTS = int(os.environ.get("CLAWMATRIX_MUTANTS", "10000"))


def history(rng: random.Random) -> list[bytes]:
    """Return changes of three actors that write apart and merge, each after its dependencies."""
    writers = [Writer(bytes([letter]) * 16) for letter in b"abc"]
    versions: list[list[Version]] = [[], [], []]
    changes: list[bytes] = []
    for step in range(40):
        at = rng.randrange(3)
        made = []
        for number in range(rng.choice([1, 1, 2, 4])):
            base = [rng.choice(versions[at])] if versions[at] and rng.random() < 0.5 else []
            path = base[0].path if base else f"{step}-{number}.md"
            made.append(version(path, f"{step} {number}", *base))
        changes.append(writers[at].write(*made))
        versions[at] += made
        if rng.random() < 0.4:
            other = (at + 1) % 3
            writers[other].document.merge(writers[at].document)
            known = set(versions[other])
            versions[other] += [one for one in versions[at] if one not in known]
    return changes


def mutant(rng: random.Random, change: bytes) -> bytes:
    """Return a change with something changed in it, and a checksum that is right again."""
    reader = Reader(change[9:])
    body = bytearray(reader.counted(1 << 20))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at, roll = rng.randrange(len(body)), rng.random()
        if roll < 0.5:
            body[at] ^= 1 << rng.randrange(8)
        elif roll < 0.65:
            body[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif roll < 0.8:
            del body[at : at + rng.choice([1, 1, 2, 32])]
        elif roll < 0.9:
            body[at:at] = os.urandom(rng.choice([1, 2, 32]))
        else:
            body[at:at] = body[max(0, at - 8) : at]
        body = body or bytearray(b"\0")
    whole = unsigned(len(body)) + bytes(body)
    checksum = hashlib.sha256(b"\x01" + whole).digest()[:4]
    return change[:4] + checksum + b"\x01" + whole


def ask(handler: Handler, request: object) -> object:
    return read_reply(handler.handle(write_request(request)))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [1])
def test_a_mutant_that_passes_leaves_a_document_that_is_saved_and_loaded(seed: int) -> None:
    rng = random.Random(seed)
    changes = history(rng)
    read = refused = 0
    for _ in range(MUTANTS):
        at = rng.randrange(len(changes))
        data = mutant(rng, changes[at])
        try:
            read_change(data)
        except MalformedError:
            refused += 1
            continue
        if data in changes:
            continue
        read += 1
        _is_harmless(changes[:at], data)
    assert refused > MUTANTS / 2
    assert read > MUTANTS / 1000  # else the mutants would show nothing


def _is_harmless(before: list[bytes], data: bytes) -> None:
    handler = Handler()
    ask(handler, Open(b"", before))
    ask(handler, Share("peer"))
    message = write_message(Message((), (), (Have((), b""),), (data,)))
    got = ask(handler, Receive("peer", message))
    assert isinstance(got, Received)
    saved = ask(handler, Save())
    assert isinstance(saved, Saved)
    loaded = Document.load(saved.document)
    assert sorted(loaded.get_heads()) == sorted(saved.heads)
    opened = ask(Handler(), Open(saved.document, []))
    assert not isinstance(opened, Failed)


def test_mutants_of_messages_are_refused_or_read() -> None:
    rng = random.Random(2)
    changes = history(rng)[:6]
    have = Have((bytes(32),), unsigned(2) + b"\x0a\x07" + b"\xff" * 3)
    good = write_message(Message((bytes(32),), (b"\x01" * 32,), (have,), tuple(changes)))
    assert write_message(read_message(good)) == good
    for _ in range(MUTANTS // 10):
        data = bytearray(good)
        at = rng.randrange(len(data) if rng.random() < 0.5 else 120)
        data[at] = rng.randrange(256)
        handler = Handler()
        ask(handler, Share("peer"))
        assert isinstance(ask(handler, Receive("peer", bytes(data))), Failed | Received)


@pytest.mark.parametrize(
    "filter_",
    [
        unsigned(1) + unsigned(10) + unsigned(2**32) + b"\xff\xff",
        unsigned(2**40) + b"\x0a\x07\xff\xff",
        unsigned(1) + unsigned(2**31) + b"\x07\xff\xff",
    ],
    ids=["probes", "entries", "bits"],
)
def test_a_filter_that_would_never_end_is_refused(filter_: bytes) -> None:
    data = write_message(Message((), (), (Have((), filter_),), ()))
    with pytest.raises(MalformedError, match="measures"):
        read_message(data)


def test_a_change_that_inflates_without_end_is_refused() -> None:
    squeezed = zlib.compressobj(wbits=-15)
    bomb = squeezed.compress(bytes(64 * 1024**2)) + squeezed.flush()
    data = b"\x85\x6f\x4a\x83" + bytes(4) + b"\x02" + unsigned(len(bomb)) + bomb
    with pytest.raises(MalformedError, match="too large"):
        read_change(data)


def test_a_run_of_a_million_operations_is_refused_at_once() -> None:
    change = Writer(b"1" * 16).write(version("a.md", "1"))
    reader = Reader(change[9:])
    body = reader.counted(1 << 20)
    head = body[: body.index(b"\x08\x01")]
    million = b"\xc0\x84\x3d\x01"
    columns = [million, million, b"", b"\xc0\x84\x3d", million, b"\xc0\x84\x3d\x06", b"", million]
    specs = (0x01, 0x02, 0x15, 0x34, 0x42, 0x56, 0x57, 0x70)
    table = b"\x08" + b"".join(
        unsigned(spec) + unsigned(len(column)) for spec, column in zip(specs, columns, strict=True)
    )
    whole = head + table + b"".join(columns)
    sized = unsigned(len(whole)) + whole
    checksum = hashlib.sha256(b"\x01" + sized).digest()[:4]
    with pytest.raises(MalformedError):
        read_change(change[:4] + checksum + b"\x01" + sized)
