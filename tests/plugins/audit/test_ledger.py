"""The files of the audit: numbered, chained, rotated, repaired, dropped, and nobody else's."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from clawmatrix_audit.folder import CURRENT
from clawmatrix_audit.line import GENESIS, digest_of, is_sealed
from clawmatrix_core import StateError
from tests.plugins.audit.helpers import DAY, KEY, Wall, check, entries, kinds, ledger_in, small_disk

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_audit.ledger import Ledger


def draft(n: int, event: str = "begin", at: str = "2027-01-15T08:00:00.000Z") -> dict[str, object]:
    return {"at": at, "event": event, "id": str(n), "peer": "home"}


def test_each_line_has_a_number_and_the_hash_of_the_line_before(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(1), draft(2)])
        ledger.append([draft(3)])
    found = entries(tmp_path / "audit")
    assert [entry.n for entry in found] == [1, 2, 3]
    assert found[0].prev == GENESIS
    assert [e.prev for e in found[1:]] == [digest_of(e.raw) for e in found[:-1]]
    assert all(is_sealed(entry.raw, KEY) for entry in found)
    assert not is_sealed(found[0].raw, bytes(32))


def test_the_chain_goes_on_after_a_start_and_over_files(tmp_path: Path) -> None:
    for run in range(3):
        with ledger_in(tmp_path / "audit", file_size=400) as ledger:
            for n in range(5):
                ledger.append([draft(10 * run + n), draft(10 * run + n, "end")])
    names = sorted(path.name for path in (tmp_path / "audit").iterdir())
    assert names[0] == "audit-000000000001.jsonl"
    assert len(names) > 5
    report = check(tmp_path / "audit")
    assert (report.first, report.last, report.broken) == (1, 30, [])


def test_a_file_is_begun_each_day_so_that_old_lines_can_go(tmp_path: Path) -> None:
    wall = Wall()
    with ledger_in(tmp_path / "audit", wall) as ledger:
        ledger.append([draft(1, "end")])
        wall.now += DAY
        ledger.append([draft(2, "end")])
    assert len(list((tmp_path / "audit").iterdir())) == 2


def test_dropping_old_files_is_a_line(tmp_path: Path) -> None:
    wall = Wall()
    with ledger_in(tmp_path / "audit", wall, file_size=1) as ledger:
        for n in range(3):
            ledger.append([draft(n, "end", at=f"2027-01-{10 + n}T00:00:00.000Z")])
        hashes = [entry.digest for entry in entries(tmp_path / "audit")]
        ledger.drop(Wall(1_799_712_000.0)())  # 2027-01-11T12:00
    found = entries(tmp_path / "audit")
    assert found[0].n == 3
    dropped = [entry.fields for entry in found if entry.event == "dropped"]
    assert [(one["first"], one["last"], one["hash"]) for one in dropped] == [
        (1, 1, hashes[0]),
        (2, 2, hashes[1]),
    ]
    report = check(tmp_path / "audit")
    assert not report.broken
    assert "were dropped" in report.notes[0]


def test_the_file_that_is_written_to_is_never_dropped(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(1, at="2001-01-01T00:00:00.000Z")])
        ledger.drop(Wall()())
    assert [entry.n for entry in entries(tmp_path / "audit")] == [1]


@pytest.mark.parametrize("torn", [b"{", b'{"n":3,"event":"begin"', b"\0" * 70_000])
def test_a_torn_last_line_is_cut_off_and_reported(
    torn: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(1), draft(2)])
    with (tmp_path / "audit" / CURRENT).open("ab") as file:
        file.write(torn)
    assert "without an end" in check(tmp_path / "audit").notes[0]
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(3)])
    found = entries(tmp_path / "audit")
    assert [entry.event for entry in found] == ["begin", "begin", "repaired", "begin"]
    assert found[2].fields["bytes"] == len(torn)
    assert not check(tmp_path / "audit").broken
    assert f"{len(torn)} bytes, from a crash" in caplog.text


def test_a_line_that_was_put_there_whole_is_left_for_verify(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(1)])
    with (tmp_path / "audit" / CURRENT).open("ab") as file:
        file.write(b"hello\n")
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(2)])
    assert b"hello\n" in (tmp_path / "audit" / CURRENT).read_bytes()
    assert kinds(check(tmp_path / "audit")) == ["edit"]


def test_what_goes_on_is_known_over_files(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit", file_size=1) as ledger:
        for n in range(5):
            ledger.append([draft(n)])
        ledger.append([draft(1, "end"), draft(3, "end")])
    with ledger_in(tmp_path / "audit") as ledger:
        left = ledger.unfinished.reported("now")
        assert sorted(str(fields["id"]) for fields in left) == ["0", "2", "4"]
    assert not check(tmp_path / "audit").broken


def test_no_node_ends_the_work_of_another_one(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(1) | {"key": "a"}, draft(1, "end") | {"key": "b"}])
        ledger.append([draft(1, "end") | {"key": "a", "peer": "other"}])
        assert len(ledger.unfinished) == 1
        ledger.append([draft(1, "end") | {"key": "a"}])
        assert len(ledger.unfinished) == 0


# --- whose files they are


def test_files_belong_to_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with ledger_in(tmp_path / "state" / "audit", file_size=1) as ledger:
            ledger.append([draft(1)])
            ledger.append([draft(2)])
    finally:
        os.umask(before)
    folder = tmp_path / "state" / "audit"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_files_that_others_can_read_are_refused(mode: int, tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(1)])
    (tmp_path / "audit" / CURRENT).chmod(mode)
    with pytest.raises(StateError, match="open to other users; mend that with: chmod 600"):
        ledger_in(tmp_path / "audit").__enter__()


def test_links_are_refused(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    target.chmod(0o600)
    folder = tmp_path / "audit"
    folder.mkdir(mode=0o700)
    (folder / CURRENT).symlink_to(target)
    with pytest.raises(StateError, match="is a symbolic link"):
        ledger_in(folder).__enter__()
    (folder / CURRENT).unlink()
    (folder / CURRENT).hardlink_to(target)
    with pytest.raises(StateError, match="has another name"):
        ledger_in(folder).__enter__()
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(StateError, match="cannot be opened"):
        ledger_in(tmp_path / "link").__enter__()
    assert target.read_text() == "mine"


def test_a_pipe_in_the_place_of_the_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "audit" / CURRENT, 0o600)
    with pytest.raises(StateError, match="is no plain file"):
        ledger_in(tmp_path / "audit").__enter__()


def test_a_full_audit_can_drop_old_lines(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit", limit=2000, file_size=500) as ledger:
        with pytest.raises(StateError, match="no room left"):
            fill(ledger)
        last = ledger.n
        ledger.drop(Wall()() + DAY)
        ledger.append([draft(1, "end")])
    found = entries(tmp_path / "audit")
    assert found[0].n > 3
    assert "dropped" in [entry.event for entry in found if entry.n > last]
    assert not check(tmp_path / "audit").broken


def test_a_file_that_is_moved_away_is_missed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ledger_in(tmp_path / "audit") as ledger:
        ledger.append([draft(1), draft(2)])
        (tmp_path / "audit" / CURRENT).unlink()
        ledger.append([draft(3)])
    assert "was moved away or replaced" in caplog.text
    assert kinds(check(tmp_path / "audit")) == ["dropped"]


# --- no room


def fill(ledger: Ledger) -> None:
    for n in range(10_000):
        ledger.append([draft(n, "end")] * 3)


def test_a_full_disk_refuses_and_leaves_whole_lines(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk"):
        path = tmp_path / "disk" / "audit"
        with ledger_in(path) as ledger:
            with pytest.raises(StateError, match="cannot be written"):
                fill(ledger)
            written = ledger.n
            assert written > 30
            assert ledger.n % 3 == 0
        report = check(path)
        assert (report.last, report.broken, report.notes) == (written, [], [])
        with ledger_in(path) as ledger:  # and it opens again
            assert ledger.n == written


@pytest.mark.bound("clawmatrix_audit.config.SIZE")
def test_an_audit_that_has_its_size_refuses_until_there_is_room(tmp_path: Path) -> None:
    with ledger_in(tmp_path / "audit", limit=2000, file_size=500) as ledger:
        with pytest.raises(StateError, match=r"has no room left: raise \[audit\] size"):
            fill(ledger)
        taken = sum(path.stat().st_size for path in (tmp_path / "audit").iterdir())
        assert 1000 < taken <= 2000
        ledger.limit = 10_000
        ledger.append([draft(1, "end")])
    assert not check(tmp_path / "audit").broken
