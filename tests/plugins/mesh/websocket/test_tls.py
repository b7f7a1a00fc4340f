"""``wss`` between nodes: a private authority, and what a bad certificate is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from clawmatrix_core import SecretFile
from clawmatrix_core.base.errors import StartError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.websocket.tls import client_tls, server_tls
from tests.plugins.mesh.conftest import address_of, make_node

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node


class Files:
    """A private authority and a certificate of its making, as files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        made = authority.issue_cert("127.0.0.1")
        self.ca, self.cert, self.key = (folder / f"{name}.pem" for name in ("ca", "cert", "key"))
        authority.cert_pem.write_to_path(self.ca)
        made.private_key_pem.write_to_path(self.key)
        for piece in made.cert_chain_pems:
            piece.write_to_path(self.cert, append=True)

    def server(self) -> dict[str, Any]:
        return {"tls_cert": str(self.cert), "tls_key": str(self.key)}


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def errors(node: Node) -> str:
    [section] = [one for one in node.status_sections() if one.name == "mesh"]
    return "".join(one["error"] or "" for one in section.read()["dialling"])


@pytest.mark.anyio
async def test_nodes_link_over_wss_with_a_private_authority(files: Files) -> None:
    async with make_node("relay", **files.server()) as relay:
        address = address_of(relay)
        assert address.startswith("wss://127.0.0.1:")
        async with make_node("home", peers=[address], ca=str(files.ca)) as home:
            await wait_until(lambda: "home" in relay.links)
            async with home.exchange("relay", "ping", {"n": 1}, complete=True) as ex:
                assert await ex.receive() == {"n": 1}


@pytest.mark.anyio
async def test_without_the_authority_there_is_no_link_and_the_reason_is_shown(
    files: Files,
) -> None:
    async with (
        make_node("relay", **files.server()) as relay,
        make_node("home", peers=[address_of(relay)]) as home,
    ):
        await wait_until(lambda: "is not trusted" in errors(home))
        assert '(a private CA goes in ca = "...")' in errors(home)
        assert NodeId("relay") not in home.links


def test_without_files_there_is_no_context() -> None:
    assert server_tls(MeshConfig()) is None
    assert client_tls(MeshConfig()) is None


def test_a_key_beside_its_certificate_needs_no_file_of_its_own(files: Files) -> None:
    both = files.cert.with_name("both.pem")
    both.write_text(files.key.read_text() + files.cert.read_text())
    assert server_tls(MeshConfig(tls_cert=SecretFile(both))) is not None


def test_a_file_that_is_not_there_is_named(files: Files, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.pem"
    with pytest.raises(StartError, match=r"tls_cert .*nowhere.pem cannot be read: No such file"):
        server_tls(MeshConfig(tls_cert=SecretFile(nowhere)))
    with pytest.raises(StartError, match=r"tls_key .*nowhere.pem cannot be read: No such file"):
        server_tls(MeshConfig(tls_cert=SecretFile(files.cert), tls_key=SecretFile(nowhere)))
    with pytest.raises(StartError, match=r"ca .*nowhere.pem cannot be read: No such file"):
        client_tls(MeshConfig(ca=nowhere))


def test_a_file_that_holds_something_else_is_named(files: Files, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    with pytest.raises(StartError, match=r"tls_cert .*junk.pem and tls_key .* cannot be used"):
        server_tls(MeshConfig(tls_cert=SecretFile(junk), tls_key=SecretFile(files.key)))
    with pytest.raises(StartError, match=r"ca .*junk.pem cannot be used: "):
        client_tls(MeshConfig(ca=junk))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(files: Files) -> None:
    key = load_pem_private_key(files.key.read_bytes(), None)
    sealed = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    files.key.write_bytes(sealed)
    with pytest.raises(StartError, match="a key without password is needed"):
        server_tls(MeshConfig(tls_cert=SecretFile(files.cert), tls_key=SecretFile(files.key)))
