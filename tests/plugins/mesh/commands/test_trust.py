"""``clawmatrix trust``: keys that a person accepts, and nodes that are retired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import SECRET, wait_until
from tests.core.members.members import Member
from tests.plugins.mesh.conftest import address_of, make_node
from tests.plugins.mesh.invite.inviting import ask
from tests.tools.forking import commands

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def listed(node: Node) -> list[str]:
    return [str(peer.node_id) for peer in node.directory.listed()]


async def forget(node: Node, *, hide: bool = False) -> Any:
    [call] = [one.call for one in node.control_methods() if one.name == "trust.forget"]
    assert call is not None
    return await call({"node": "lab", "hide": hide})


async def test_a_retired_node_is_hidden_until_it_is_heard_directly_again() -> None:
    state = MemoryState()
    async with make_node("home", state=state) as home:
        async with make_node("lab", peers=[address_of(home)]) as lab:
            await wait_until(lambda: "lab" in home.links)
            identity = lab.identity
            own = lab.directory.get(lab.id)
            assert own is not None
            record = own.signed
        await wait_until(lambda: "lab" not in home.links)
        assert listed(home) == ["lab"]
        assert await forget(home, hide=True) == {"nodeId": "lab"}
        assert listed(home) == []
        home.accept_record(record)  # another node still knows it
        assert listed(home) == []
        assert (await ask(home, "trust.list"))["hidden"] == ["lab"]
        assert TrustStore(state).is_hidden(NodeId("lab"))  # over a restart too
        async with make_node("lab", peers=[address_of(home)], identity=identity):
            await wait_until(lambda: "lab" in home.links)
            assert listed(home) == ["lab"]
        assert not TrustStore(state).is_hidden(NodeId("lab"))


async def test_forgetting_alone_hides_nothing() -> None:
    async with make_node("home") as home:
        signed = Member("lab").signed()
        home.accept_record(signed)
        await forget(home)
        home.accept_record(signed)
        assert listed(home) == ["lab"]


async def test_a_node_that_nobody_knows_cannot_be_hidden() -> None:
    async with make_node("home") as home:
        with pytest.raises(ExchangeFailure, match="no key is known of lab"):
            await forget(home, hide=True)
        assert home.trust.hidden() == []


async def command(config: Path, *arguments: str) -> tuple[int, str]:
    """Run ``clawmatrix trust``; return its exit code, and what it prints."""
    words = ["-c", str(config), "trust", *arguments]
    done = await anyio.to_thread.run_sync(commands().run, words)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("proven", [True, False])
async def test_a_key_is_accepted_by_the_digits_that_a_person_read(
    proven: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    config = tmp_path / "clawmatrix.toml"
    told = f'node_id = "office"\nsecret = "{SECRET}"\nstate_dir = "state"\n'
    config.write_text(told + 'plugins = ["control", "mesh"]\n')
    config.chmod(0o600)
    home = Member("home").identity
    async with Node(Config.load(config)) as node:
        node.trust.check(NodeId("home"), home.sign_public, proven=proven, now=1.0)
        way = "linked" if proven else "hearsay"
        assert f"home  {home.fingerprint}  {way}\n" in (await command(config, "list"))[1]
        told = (await command(config, "show", "home"))[1]
        assert "first seen: 1970-01-01 00:00:01 UTC\n" in told
        assert f"clawmatrix trust accept home {home.fingerprint}\n" in told
        code, told = await command(config, "accept", "home", *home.digits.split()[:7])
        assert (code != 0, "or all of its digits" in told) == (True, True), told
        code, told = await command(config, "accept", "home", home.fingerprint[:4])
        assert (code != 0, "20 letters of the fingerprint are needed" in told) == (True, True), told
        assert node.trust.how_known(NodeId("home"), home.key_text) == way
        code, told = await command(config, "accept", "home", *home.digits.split())
        assert (code, told) == (0, f"home is now known by {home.fingerprint}, accepted\n")
        assert f"home  {home.fingerprint}  accepted\n" in (await command(config, "list"))[1]
        told = (await command(config, "show", "home"))[1]
        assert "known: accepted" in told
        assert "trust accept" not in told  # there is nothing left to do
        other = Member("other").identity
        node.trust.check(NodeId("home"), other.sign_public, proven=True, now=61.0)
        told = (await command(config, "show", "home"))[1]
        words = "proved by a handshake, 1 times, last 1970-01-01 00:01:01 UTC"
        assert f"refused: {other.fingerprint}  {words}\n" in told
        assert f"  to let it in: clawmatrix trust accept home {other.fingerprint}\n" in told
