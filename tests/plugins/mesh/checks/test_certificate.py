"""A certificate that is renewed while the node runs, and what is said of its dates."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
import trustme

from clawmatrix_core.base.errors import StartError
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.checks.certificate import Certificate, look_at_dates
from clawmatrix_mesh.config import MeshConfig
from tests.plugins.mesh.conftest import LIMITS, address_of, make_node
from tests.plugins.mesh.websocket.test_tls import Files
from tests.plugins.mesh.wire import port_of

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

OFTEN = attrs.evolve(LIMITS, certificate=0.02)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def shown(port: int) -> bytes:
    """Return the certificate that a port shows to whoever connects."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain) as tls,
    ):
        found = tls.getpeercert(binary_form=True)
    assert found is not None
    return found


async def shown_by(node: Node) -> bytes:
    return await anyio.to_thread.run_sync(shown, port_of(address_of(node)))


def replace(old: Files, new: Files) -> None:
    shutil.copy(new.cert, old.cert)
    shutil.copy(new.key, old.key)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Files, Files]:
    folders = tmp_path / "old", tmp_path / "new"
    for folder in folders:
        folder.mkdir()
    return Files(folders[0]), Files(folders[1])


@pytest.mark.anyio
async def test_a_renewed_certificate_is_served_and_open_links_go_on(
    pair: tuple[Files, Files], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    old, new = pair
    hub = make_node("hub", limits=OFTEN, **old.server())
    async with hub:
        async with make_node("home", peers=[address_of(hub)], ca=str(old.ca)) as home:
            await wait_until(lambda: hub.id in home.links)
            link, before = home.links[hub.id], await shown_by(hub)
            replace(old, new)
            await wait_until(lambda: "wss is served with the certificate" in caplog.text)
            assert await shown_by(hub) != before
            assert link.closing is None
        async with make_node("lab", peers=[address_of(hub)], ca=str(new.ca)) as lab:
            await wait_until(lambda: hub.id in lab.links)


@pytest.mark.anyio
async def test_files_that_do_not_go_together_leave_the_old_certificate_in_place(
    pair: tuple[Files, Files], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    old, new = pair
    async with make_node("hub", limits=OFTEN, **old.server()) as hub:
        before = await shown_by(hub)
        await anyio.to_thread.run_sync(shutil.copy, new.cert, old.cert)
        await wait_until(lambda: "the one from before is served" in caplog.text)
        assert await shown_by(hub) == before
        await anyio.to_thread.run_sync(shutil.copy, new.key, old.key)
        await wait_until(lambda: "wss is served with the certificate" in caplog.text)
        assert await shown_by(hub) != before


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
    pair: tuple[Files, Files],
) -> None:
    async with make_node("hub", **pair[0].server()) as hub:
        [tls] = [one for one in await run_checks(hub.checks()) if one.name == "mesh.tls"]
        assert tls.status == "ok"
    async with make_node("plain") as plain:
        assert "mesh.tls" not in [check.name for check in plain.checks()]


def test_files_that_change_once_more_as_they_are_read_are_read_again(
    pair: tuple[Files, Files],
) -> None:
    old, new = pair

    class Late(ssl.SSLContext):
        """Loads what is there by then: a key that is not the certificate's."""

        late = True

        def load_cert_chain(self, *files: Any, **more: Any) -> None:
            if self.late:
                shutil.copy(old_key, old.key)
            super().load_cert_chain(*files, **more)

    old_key = shutil.copy(old.key, old.key.with_suffix(".before"))
    context = Late(ssl.PROTOCOL_TLS_SERVER)
    served = Certificate(MeshConfig(tls_cert=old.cert, tls_key=old.key), context)
    replace(old, new)
    with pytest.raises(StartError, match="changes as it is read"):
        served.renew()
    context.late = False
    replace(old, new)
    assert served.renew()
