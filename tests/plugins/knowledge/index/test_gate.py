"""What changes of others have to look like."""

from __future__ import annotations

import hashlib
import zlib

import attrs
import pytest

from clawmatrix_knowledge.index.changes import BASE_ACTOR, read_change
from clawmatrix_knowledge.index.format import key_of, value_of
from clawmatrix_knowledge.index.gate import Gate, MalformedError
from clawmatrix_knowledge.index.numbers import Reader, unsigned
from tests.plugins.knowledge.index.helpers import Writer, version

NOTE = version("notes.md", "1")


def gate_with(*changes: bytes) -> Gate:
    gate = Gate()
    for change in changes:
        gate.admit(read_change(change))
    return gate


def test_what_the_library_writes_fits_plain_and_deflated() -> None:
    writer = Writer()
    first = writer.write(NOTE, version("b.md", "2"))
    second = writer.write(version("notes.md", "3", NOTE))
    gate = Gate()
    assert [v.path for v in gate.admit(read_change(first))] == ["notes.md", "b.md"]
    assert [v.parents for v in gate.admit(read_change(second))] == [(NOTE.id,)]
    many = Writer().write(*(version(f"{n}.md", "x") for n in range(200)))
    body = many[12:]  # behind the magic, the checksum, the kind, and a length of three bytes
    squeezed = zlib.compressobj(wbits=-15)
    deflated = squeezed.compress(body) + squeezed.flush()
    data = many[:8] + b"\x02" + unsigned(len(deflated)) + deflated
    assert read_change(data).hash == read_change(many).hash


def test_a_version_has_to_replace_one_that_the_change_comes_after() -> None:
    mine, theirs = Writer(), Writer()
    first = mine.write(NOTE)
    apart = theirs.write(version("notes.md", "2", NOTE))
    gate = gate_with(first)
    with pytest.raises(MalformedError, match="not before it"):
        gate.admit(read_change(apart))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (("../x\0" + NOTE.id, value_of(NOTE)), "path"),
        (("/x\0" + NOTE.id, value_of(NOTE)), "path"),
        (("a\nb\0" + NOTE.id, value_of(NOTE)), "path"),
        (("x/.clawmatrix/y\0" + NOTE.id, value_of(NOTE)), "path"),
        (("other.md\0" + NOTE.id, value_of(NOTE)), "not its own"),
        (("notes.md", value_of(NOTE)), "no version"),
        ((key_of(NOTE), value_of(NOTE).replace(",", ", ")), "not written as"),
        ((key_of(NOTE), value_of(NOTE)[:-1] + ',"z":1}'), "does not read"),
        ((key_of(NOTE), "null"), "does not read"),
    ],
)
def test_an_entry_that_is_not_a_version_is_refused(entry: tuple[str, str], why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        Gate().admit(read_change(Writer().put(entry)))


def test_a_version_of_another_path_is_no_parent() -> None:
    other = attrs.evolve(version("b.md", "2"), parents=(NOTE.id,))
    writer = Writer()
    with pytest.raises(MalformedError, match="not before it"):
        gate_with(writer.write(NOTE)).admit(read_change(writer.write(other)))
    with pytest.raises(MalformedError, match="not before it"):
        Gate().admit(read_change(Writer().write(NOTE, other)))


def test_a_version_is_written_once_but_by_nodes_apart() -> None:
    mine, theirs = Writer(), Writer()
    gate = gate_with(mine.write(NOTE), theirs.write(NOTE))
    mine.document.merge(theirs.document)
    with pytest.raises(MalformedError):
        gate.admit(read_change(mine.write(attrs.evolve(NOTE, size=7))))


def test_one_actor_has_one_history() -> None:
    mine, liar = Writer(b"1" * 16), Writer(b"1" * 16)
    gate = gate_with(mine.write(NOTE))
    with pytest.raises(MalformedError, match="one number of one actor"):
        gate.admit(read_change(liar.write(version("b.md", "2"))))
    with pytest.raises(MalformedError):
        gate.admit(read_change(Writer(BASE_ACTOR).write(NOTE)))


def test_bytes_that_the_library_would_not_write_are_refused() -> None:
    good = Writer(b"2" * 16).write(NOTE, version("b.md", "2"))
    for at in range(len(good)):
        for bit in (1, 0x80):
            bad = bytearray(good)
            bad[at] ^= bit
            with pytest.raises(MalformedError):
                read_change(bytes(bad))
    for end in range(len(good)):
        with pytest.raises(MalformedError):
            read_change(good[:end])


def test_two_changes_of_other_bytes_never_say_the_same() -> None:
    good = Writer(b"2" * 16).write(NOTE, version("b.md", "2"))
    body = Reader(good[9:]).counted(1 << 20)
    said = attrs.evolve(read_change(good), hash=b"", data=b"")
    for at in range(len(body)):
        for bit in (1, 2, 0x40, 0x80):
            bad = bytearray(body)
            bad[at] ^= bit
            whole = unsigned(len(bad)) + bytes(bad)
            checksum = hashlib.sha256(b"\x01" + whole).digest()[:4]
            try:
                read = read_change(good[:4] + checksum + b"\x01" + whole)
            except MalformedError:
                continue
            assert attrs.evolve(read, hash=b"", data=b"") != said, at
