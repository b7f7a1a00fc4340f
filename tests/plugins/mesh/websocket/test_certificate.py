"""A certificate that is renewed while the node runs."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
from typing import TYPE_CHECKING, Any

import anyio
import msgspec.structs
import pytest

from clawmatrix_core import SecretFile
from clawmatrix_core.base.errors import StartError
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.websocket.certificate import ServedCertificate
from tests.plugins.mesh.conftest import LIMITS, address_of, make_node
from tests.plugins.mesh.websocket.test_tls import Files
from tests.plugins.mesh.wire import port_of

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

OFTEN = msgspec.structs.replace(LIMITS, certificate=0.02)


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
    served = ServedCertificate(
        MeshConfig(tls_cert=SecretFile(old.cert), tls_key=SecretFile(old.key)), context
    )
    replace(old, new)
    with pytest.raises(StartError, match="changes as it is read"):
        served.renew()
    context.late = False
    replace(old, new)
    assert served.renew()
