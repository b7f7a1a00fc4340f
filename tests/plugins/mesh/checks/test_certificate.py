"""What is said of the dates of a certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme

from clawmatrix_core.doctor.running import run_checks
from clawmatrix_mesh.checks.certificate import look_at_dates
from tests.plugins.mesh.conftest import make_node
from tests.plugins.mesh.websocket.test_tls import Files

if TYPE_CHECKING:
    from pathlib import Path


NOW = datetime(2030, 1, 1, tzinfo=UTC)


def dated(folder: Path, begins: datetime, ends: datetime) -> Path:
    made = trustme.CA().issue_cert("127.0.0.1", not_before=begins, not_after=ends)
    path = folder / "dated.pem"
    made.cert_chain_pems[0].write_to_path(path)
    return path


@pytest.mark.parametrize(
    ("begins", "ends", "status", "words"),
    [
        (-90, 90, "ok", "holds until 2030-04-01"),
        (-90, 5, "warning", "holds until 2030-01-06"),
        (-90, -1, "problem", "has ended on 2029-12-31"),
        (1, 90, "problem", "holds only from 2030-01-02 00:00 UTC"),
    ],
)
def test_the_dates_of_a_certificate_are_told(
    tmp_path: Path, begins: int, ends: int, status: str, words: str
) -> None:
    path = dated(tmp_path, NOW + timedelta(begins), NOW + timedelta(ends))
    found = look_at_dates(path, NOW)
    assert (found.status, words in found.detail) == (status, True)


def test_a_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    assert look_at_dates(tmp_path / "x.pem", NOW).status == "problem"
    assert look_at_dates(tmp_path / "nowhere.pem", NOW).status == "problem"


@pytest.mark.anyio
async def test_a_node_that_serves_wss_has_its_dates_looked_at(
    tmp_path: Path,
) -> None:
    async with make_node("hub", **Files(tmp_path).server()) as hub:
        [tls] = [one for one in await run_checks(hub.checks()) if one.name == "mesh.tls"]
        assert tls.status == "ok"
    async with make_node("plain") as plain:
        assert "mesh.tls" not in [check.name for check in plain.checks()]
