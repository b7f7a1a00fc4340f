"""``clawmatrix audit``: as people type it, with a node that runs and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from clawmatrix_audit.folder import CURRENT, AuditFolder
from clawmatrix_audit.plugin import AuditPlugin
from clawmatrix_audit.tailing import follow, newest
from clawmatrix_core import NodeId, StateFolder
from clawmatrix_core.members.succession import rotate
from clawmatrix_core.testing.command_line import run_command
from clawmatrix_core.testing.fixtures import wait_until
from tests.plugins.audit.bell import BellPlugin, ring
from tests.plugins.audit.helpers import ledger_in, record

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_audit.line import Entry
    from clawmatrix_core import Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

BUILT_IN = ("mesh", "relay", "control")


@pytest.fixture(autouse=True)
def _short_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def node_of(factory: NodeFactory, name: str, state: StateFolder, *dials: str) -> Node:
    config = {"state_dir": str(state.path)}
    plugins = [AuditPlugin(), BellPlugin()]
    return factory(
        name, dials=dials, built_in=BUILT_IN, plugins=plugins, config=config, state=state
    )


async def linked(one: Node, other: Node) -> None:
    await wait_until(lambda: one.links and other.links)


async def test_verify_with_a_peer_finds_a_cut_end_and_a_chain_that_was_written_anew(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    with StateFolder(tmp_path / "o") as one, StateFolder(tmp_path / "h") as two:
        office = node_of(node_factory, "office", one)
        home = node_of(node_factory, "home", two, "office")
        async with office, home:
            await linked(home, office)
            none = await run_command(office, "audit", "verify", "--with", "home")
            assert (none.exit_code, "home holds no head of this node" in none.out) == (0, True)
            for _ in range(2):
                await ring(home, "office")
            whole = await run_command(office, "audit", "verify", "--with", "home")
            assert (whole.exit_code, whole.err) == (0, "")
            assert "home holds heads up to line 5 of this node" in whole.out
            assert "lines 1 to 5: whole" in whole.out

            file = tmp_path / "o" / "audit" / CURRENT
            lines = file.read_bytes()
            file.write_bytes(b"".join(lines.splitlines(keepends=True)[:-1]))
            cut = await run_command(office, "audit", "verify", "--with", "home", "--json")
            assert cut.exit_code == 12
            told = json.loads(cut.out)
            assert [found["kind"] for found in told["broken"]] == ["tail", "tail"]
            assert {found["words"].split(" holds")[0] for found in told["broken"]} == {
                "home",
                "the node that runs",
            }
            assert told["whole"] is False

            file.write_bytes(lines.replace(b'"bell"', b'"bull"'))
            anew = await run_command(office, "audit", "verify", "--with", "home")
            assert anew.exit_code == 12
            assert "edit: audit.jsonl:2: line 2 has a wrong seal" in anew.out
            assert "rewritten: line 5 is not the one of which home holds a head" in anew.out
            assert "lines 1 to 5: NOT as they were written" in anew.out


async def test_heads_under_earlier_keys_count_after_a_rotation(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    with StateFolder(tmp_path / "h") as two:
        home = node_of(node_factory, "home", two, "office")
        async with home:
            for rings in (1, 0):
                with StateFolder(tmp_path / "o") as one:
                    office = node_of(node_factory, "office", one)
                    async with office:
                        await linked(home, office)
                        for _ in range(rings):
                            await ring(home, "office")
                        whole = await run_command(office, "audit", "verify", "--with", "home")
                        assert "home holds heads up to line 3" in whole.out, whole
                        assert whole.exit_code == 0
                    if rings:
                        rotate(one, NodeId("office"), int(time.time() * 1000))


async def test_verify_without_a_node_and_with_a_peer_that_is_gone(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    with StateFolder(tmp_path / "o") as state:
        office = node_of(node_factory, "office", state)
        async with office:
            await office.audit(record(event="denied"))
            unknown = await run_command(office, "audit", "verify", "--with", "nobody")
            assert unknown.exit_code != 0
            assert "nobody" in unknown.err
        resting = await run_command(office, "audit", "verify")
        assert (resting.exit_code, "only other nodes know" in resting.out) == (0, True)
        assert "lines 1 to 3: whole" in resting.out
        with_peer = await run_command(office, "audit", "verify", "--with", "home")
        assert with_peer.exit_code == 3
        (tmp_path / "o" / "audit" / CURRENT).chmod(0o644)
        refused = await run_command(office, "audit", "verify")
        assert (refused.exit_code, "open to other users" in refused.err) == (4, True)


async def test_a_node_that_never_ran_has_no_audit(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    with StateFolder(tmp_path / "o") as state:
        office = node_of(node_factory, "office", state)
        async with office:
            pass
        os.rename(tmp_path / "o" / "audit", tmp_path / "elsewhere")
        for command in ("verify", "tail"):
            result = await run_command(office, "audit", command)
            assert (result.exit_code, "there is no audit yet" in result.err) == (1, True)


async def test_tail_shows_the_newest_lines(node_factory: NodeFactory, tmp_path: Path) -> None:
    with StateFolder(tmp_path / "o") as state:
        office = node_of(node_factory, "office", state)
        async with office:
            for n in range(30):
                peer = "home" if n % 2 else "other\x1b[2J"
                await office.audit(record(n, "denied", peer=peer, caller=n == 29))
            text = await run_command(office, "audit", "tail", "-n", "3")
            shown = text.out.splitlines()
            assert len(shown) == 3
            assert "\x1b" not in text.out
            assert "denied  we call  id=id29  peer=home  action=tool  target=bell" in shown[-1]
            one = await run_command(office, "audit", "tail", "--peer", "home", "--json")
            told = [json.loads(line) for line in one.out.splitlines()]
            assert [entry["id"] for entry in told] == [f"id{n}" for n in range(1, 30, 2)]
            nothing = await run_command(office, "audit", "tail", "-n", "0")
            assert (nothing.exit_code, nothing.out) == (0, "")


def test_lines_are_followed_over_files(tmp_path: Path) -> None:
    shown: list[int] = []
    with ledger_in(tmp_path / "audit", file_size=1) as ledger:
        ledger.append([{"event": "end", "id": str(n)} for n in range(5)])
        steps = iter(range(6))

        def wait() -> None:
            """Write more in the place of waiting; end like Ctrl-C."""
            if next(steps, None) is None:
                raise KeyboardInterrupt
            ledger.append([{"event": "end", "id": "x"}] * 2)

        def show(entry: Entry) -> None:
            shown.append(entry.n)

        with AuditFolder(tmp_path / "audit") as folder:
            entries, last = newest(folder, 2, None)
            assert ([entry.n for entry in entries], last) == ([4, 5], 5)
            with pytest.raises(KeyboardInterrupt):
                follow(folder, last, show, wait)
    assert shown == list(range(6, 18))


def test_the_command_follows_until_it_is_interrupted(tmp_path: Path) -> None:
    config = tmp_path / "clawmatrix.toml"
    config.write_text(f'node_id = "office"\nsecret = "{"s" * 40}"\nstate_dir = "{tmp_path}/o"\n')
    config.chmod(0o600)
    command = [sys.executable, "-m", "clawmatrix_core.cli", "audit", "tail", "--follow", "--json"]
    with ledger_in(tmp_path / "o" / "audit") as ledger:
        ledger.append([{"event": "end", "id": "a"}])
        with subprocess.Popen([*command, "-c", str(config)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert b'"id":"a"' in process.stdout.readline()
            ledger.append([{"event": "end", "id": "b"}])
            assert b'"id":"b"' in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130


async def test_the_plugin_is_found_by_its_entry_point(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    config = {"state_dir": str(tmp_path / "o")}
    async with node_factory("office", built_in=["audit"], config=config) as node:
        [receipt] = await node.audit(record(event="denied"))
        assert receipt.plugin == "audit"
        info = node.plugins.get("audit")
        assert info is not None
        assert info.built_in
