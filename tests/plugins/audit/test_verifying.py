"""Whatever a hand changes in the audit is found, as the docs say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_audit.folder import CURRENT
from clawmatrix_audit.line import write_line
from clawmatrix_core.members.identity import Identity
from tests.plugins.audit.helpers import KEY, check, entries, head_of, kinds, ledger_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clawmatrix_audit.head import Head

LINES = 12


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """Return the folder of an audit with 12 lines in 4 files, 3 lines in each."""
    path = tmp_path / "audit"
    with ledger_in(path) as ledger:
        for n in range(LINES):
            ledger.append([{"event": "end", "id": str(n), "target": "bell", "outcome": "success"}])
    raws = [entry.raw for entry in entries(path)]
    (path / CURRENT).unlink()
    for first in range(1, LINES, 3):
        name = CURRENT if first == LINES - 2 else f"audit-{first:012d}.jsonl"
        put(path / name, raws[first - 1 : first + 2])
    return path


@pytest.fixture
def head(audit: Path) -> Head:
    """Return the head that a caller holds of all lines."""
    with ledger_in(audit) as ledger:
        return head_of(ledger)


def put(file: Path, lines: list[bytes]) -> None:
    file.touch(mode=0o600)
    file.write_bytes(b"".join(line + b"\n" for line in lines))


def change(file: Path, how: Callable[[list[bytes]], list[bytes]]) -> None:
    put(file, how(file.read_bytes().splitlines()))


def second(audit: Path) -> Path:
    return audit / "audit-000000000004.jsonl"


def test_an_audit_that_nobody_touched_is_whole(audit: Path, head: Head) -> None:
    report = check(audit, head)
    assert (report.first, report.last, report.broken, report.notes) == (1, LINES, [], [])


@pytest.mark.parametrize("at", range(LINES))
def test_an_edit_is_found_in_each_line(at: int, audit: Path) -> None:
    file = sorted(audit.iterdir())[at // 3]
    change(
        file,
        lambda lines: [
            line.replace(b"bell", b"bull") if n == at % 3 else line for n, line in enumerate(lines)
        ],
    )
    report = check(audit)
    assert kinds(report) == ["edit"]
    assert f"{file.name}:{at % 3 + 1}" in report.broken[0].words
    assert f"line {at + 1} " in report.broken[0].words


def test_an_edit_is_found_where_the_editor_has_the_key(audit: Path) -> None:
    def forge(lines: list[bytes]) -> list[bytes]:
        old = entries(audit)[4]
        fields = {**old.fields, "target": "bull"}
        for name in ("n", "prev", "seal"):
            del fields[name]
        return [lines[0], write_line(5, old.prev, fields, KEY), lines[2]]

    change(second(audit), forge)
    report = check(audit)
    assert kinds(report) == ["edit"]
    assert "line 6 does not fit line 5" in report.broken[0].words


def test_a_change_of_white_space_is_an_edit(audit: Path) -> None:
    change(second(audit), lambda lines: [lines[0], lines[1].replace(b":", b": ", 1), lines[2]])
    assert "edit" in kinds(check(audit))


def test_what_is_no_line_is_an_edit(audit: Path) -> None:
    change(second(audit), lambda lines: [lines[0], b"\xff\xfe", lines[2]])
    assert kinds(check(audit)) == ["edit", "edit"] or kinds(check(audit)) == ["edit"]


@pytest.mark.parametrize("taken", [[1], [0, 1], [2]])
def test_a_gap_is_found(taken: list[int], audit: Path) -> None:
    change(second(audit), lambda lines: [x for n, x in enumerate(lines) if n not in taken])
    report = check(audit)
    assert kinds(report) == ["gap"]
    numbers = [4 + n for n in taken]
    assert re.search(rf"lines? {numbers[0]}( to {numbers[-1]})? (is|are) missing", str(report))


def test_a_file_in_the_middle_is_a_gap(audit: Path) -> None:
    second(audit).unlink()
    assert kinds(check(audit)) == ["gap"]
    assert "lines 4 to 6 are missing" in check(audit).broken[0].words


def test_lines_in_another_order_are_found(audit: Path) -> None:
    change(second(audit), lambda lines: [lines[1], lines[0], lines[2]])
    assert kinds(check(audit)) == ["order"]


def test_a_block_in_another_place_is_found(audit: Path) -> None:
    change(second(audit), lambda lines: [lines[2], lines[0], lines[1]])
    assert kinds(check(audit)) == ["order"]
    (audit / "audit-000000000001.jsonl").rename(audit / "audit-000000000005.jsonl")
    assert set(kinds(check(audit))) == {"order"}


def test_a_line_that_is_there_twice_is_found(audit: Path) -> None:
    change(second(audit), lambda lines: [lines[0], lines[1], lines[1], lines[2]])
    assert kinds(check(audit)) == ["order"]


def test_an_old_file_that_is_dropped_in_silence_is_found(audit: Path) -> None:
    (audit / "audit-000000000001.jsonl").unlink()
    report = check(audit)
    assert kinds(report) == ["dropped"]
    assert "lines 1 to 3 are missing, and no line says" in report.broken[0].words


def test_a_line_about_other_dropped_lines_does_not_cover_it(audit: Path) -> None:
    with ledger_in(audit) as ledger:
        wrong: dict[str, Any] = {"event": "dropped", "first": 1, "last": 3, "hash": "0" * 64}
        ledger.append([wrong])
    (audit / "audit-000000000001.jsonl").unlink()
    assert kinds(check(audit)) == ["dropped"]


# --- with a peer


def test_only_a_head_shows_that_the_end_was_cut_off(audit: Path, head: Head) -> None:
    change(audit / CURRENT, lambda lines: lines[:-1])
    assert not check(audit).broken
    report = check(audit, head)
    assert kinds(report) == ["tail"]
    assert "home holds a head of line 12" in report.broken[0].words
    assert "ends with line 11" in report.broken[0].words


def test_an_audit_that_is_gone_is_a_cut_end(audit: Path, head: Head) -> None:
    for file in audit.iterdir():
        file.unlink()
    assert kinds(check(audit, head)) == ["tail"]


@pytest.mark.parametrize("anew", range(1, LINES + 1))
def test_only_a_head_shows_that_the_chain_was_written_anew(
    anew: int, audit: Path, head: Head
) -> None:
    rewrite(audit, anew)
    assert not check(audit).broken
    report = check(audit, head)
    assert kinds(report) == ["rewritten"]
    assert "line 12 is not the one of which home holds a head" in report.broken[0].words


def test_a_chain_that_went_on_after_it_was_written_anew_is_found(audit: Path, head: Head) -> None:
    rewrite(audit, 6)
    with ledger_in(audit) as ledger:
        ledger.append([{"event": "end", "id": str(n)} for n in range(50)])
        newer = head_of(ledger)
    assert kinds(check(audit, newer)) == []
    assert kinds(check(audit, head, newer)) == ["rewritten"]


def test_lines_behind_the_last_head_are_beyond_its_proof(audit: Path, head: Head) -> None:
    with ledger_in(audit) as ledger:
        ledger.append([{"event": "end", "id": "new"}])
    change(audit / CURRENT, lambda lines: lines[:-1])
    assert not check(audit, head).broken


def test_a_head_of_another_chain_is_found(audit: Path) -> None:
    with ledger_in(audit) as ledger:
        other = head_of(ledger, Identity.generate(), "d" * 32)
    assert kinds(check(audit, other)) == ["rewritten"]


@pytest.mark.parametrize("name", ["audit-000000000004.jsonl", CURRENT])
def test_a_line_of_a_mebibyte_is_an_edit(name: str, audit: Path) -> None:
    with (audit / name).open("ab") as file:
        file.write(b"x" * 1024**2)
    report = check(audit)
    assert set(kinds(report)) == {"edit"}
    assert len(report.notes) <= 1


def test_an_old_file_has_no_torn_line(audit: Path) -> None:
    second(audit).write_bytes(second(audit).read_bytes()[:-1])
    assert kinds(check(audit)) == ["edit"]


def test_findings_are_not_more_than_people_read(audit: Path) -> None:
    put(audit / CURRENT, [b"x"] * 1000)
    assert len(check(audit).broken) == 100


def rewrite(audit: Path, from_: int) -> None:
    """Write the chain anew from a line on, with the key, as a thief of the state could."""
    kept = entries(audit)
    for file in audit.iterdir():
        file.unlink()
    put(audit / CURRENT, [entry.raw for entry in kept[: from_ - 1]])
    with ledger_in(audit) as ledger:
        for n in range(from_, LINES + 1):
            ledger.append([{"event": "end", "id": str(n), "target": "nothing"}])
