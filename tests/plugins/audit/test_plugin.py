"""The audit in a node: what is written, what is refused, and what other nodes hold of it."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_audit.api import keep_head
from clawmatrix_audit.config import AuditConfig
from clawmatrix_audit.folder import CURRENT
from clawmatrix_audit.held_heads import HeldHeads
from clawmatrix_audit.plugin import AuditPlugin
from clawmatrix_core import AuditFailed, Config, ConfigError, ConfigSection, Duration, Finding
from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.base.redaction import register_secret
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_core.testing.reaching import call_control, plugin_of, reload
from tests.plugins.audit.bell import BellPlugin, ring
from tests.plugins.audit.helpers import entries, files_of_at_most, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from clawmatrix_audit.line import Entry
    from clawmatrix_core import AuditRecord, Node
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = [pytest.mark.anyio]


def node_in(factory: NodeFactory, folder: Path, name: str = "office", **more: Any) -> Node:
    config: Mapping[str, object] = {
        "state_dir": str(folder),
        "audit": more.pop("audit", {}),
        **more.pop("config", {}),
    }
    return factory(name, plugins=[AuditPlugin(), BellPlugin()], config=config, **more)


def lines(folder: Path) -> Sequence[Entry]:
    """Return what is about work in an audit."""
    about = ("begin", "end", "denied", "opened", "approval", "unfinished")
    return [entry for entry in entries(folder / "audit") if entry.event in about]


@pytest.mark.both_loops
async def test_a_record_is_a_line_with_all_that_is_asked_for(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        [receipt] = await node.audit(record())
        await node.audit(record(event="end", outcome="success", duration=1.5, approval="a1"))
    assert receipt.plugin == "audit"
    begun, ended = (dict(entry.fields) for entry in lines(tmp_path))
    assert (begun["event"], begun["id"], begun["peer"]) == ("begin", "id1", "home")
    assert begun["key"] == record().key
    assert (begun["action"], begun["target"]) == ("tool", "bell")
    assert begun["rule"] == "grants.home.tools"
    assert str(begun["arguments"]).startswith("hmac-sha256:")
    assert begun["caller"] is False
    assert (ended["approval"], ended["outcome"], ended["duration"]) == ("a1", "success", 1.5)
    assert json.loads(receipt.head)["n"] == begun["n"]
    assert [entry.event for entry in entries(tmp_path / "audit")][::3] == ["started", "stopped"]


async def test_equal_arguments_have_equal_digests_in_one_node_alone(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        async with node_in(node_factory, tmp_path / name, name) as node:
            for arguments in ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, {"a": 1, "b": [3]}, {}, None):
                await node.audit(record(event="denied", arguments=arguments))
    one, two = (
        [entry.fields.get("arguments") for entry in lines(tmp_path / name)]
        for name in ("one", "two")
    )
    assert one[0] == one[1]
    assert len({*one, *two}) == 7  # three in each, and None
    assert one[4] is None


@pytest.mark.both_loops
async def test_no_line_is_lost_or_doubled_under_load(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:

        async def call(n: int) -> None:
            await node.audit(record(n))
            await node.audit(record(n, "end", outcome="success"))

        async with anyio.create_task_group() as tasks:
            for n in range(1000):
                tasks.start_soon(call, n)
    found = lines(tmp_path)
    assert sorted((e.event, str(e.fields["id"])) for e in found) == sorted(
        (event, f"id{n}") for event in ("begin", "end") for n in range(1000)
    )
    at = {(entry.event, entry.fields["id"]): entry.n for entry in found}
    assert all(at["begin", f"id{n}"] < at["end", f"id{n}"] for n in range(1000))


async def test_the_line_is_there_when_the_work_begins(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def work(_: object) -> None:
        seen.extend(entry.event for entry in lines(tmp_path / "office"))
        seen.extend(entry.event for entry in lines(tmp_path / "home"))

    async with two(node_factory, tmp_path) as (home, office):
        plugin_of(office, BellPlugin).work = work
        await ring(home, "office")
    assert seen == ["begin", "begin"]


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has another call to flush a file")
async def test_records_that_wait_share_a_flush_of_the_disk(
    node_factory: NodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    flush = os.fdatasync

    def counted(descriptor: int) -> None:
        flush(descriptor)
        flushed.append(len((tmp_path / "audit" / CURRENT).read_bytes().splitlines()))

    async with node_in(node_factory, tmp_path) as node:
        monkeypatch.setattr(os, "fdatasync", counted)
        told: list[int] = []

        async def call(n: int) -> None:
            [receipt] = await node.audit(record(n, "denied"))
            told.append(json.loads(receipt.head)["n"] <= flushed[-1])

        async with anyio.create_task_group() as tasks:
            for n in range(500):
                tasks.start_soon(call, n)
    assert told == [True] * 500
    assert len(flushed) < 50


@pytest.mark.faults_expected
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has another call to flush a file")
async def test_a_disk_that_does_not_take_what_is_written_refuses(
    node_factory: NodeFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async with node_in(node_factory, tmp_path) as node:
        before = size_of(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fails)
            with pytest.raises(AuditFailed, match="Input/output error"):
                await node.audit(record(1))
        assert size_of(tmp_path) == before
        await node.audit(record(2, "denied"))
    assert [entry.fields["id"] for entry in lines(tmp_path)] == ["id2"]


@pytest.mark.bound("clawmatrix_audit.book.WAITING")
@pytest.mark.faults_expected
async def test_more_records_than_can_wait_are_refused(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    refused = written = 0
    async with node_in(node_factory, tmp_path) as node:

        async def call(n: int) -> None:
            nonlocal refused, written
            try:
                await node.audit(record(n, "denied"))
                written += 1
            except AuditFailed as error:
                refused += "too many records wait" in str(error)

        async with anyio.create_task_group() as tasks:
            for n in range(6000):
                tasks.start_soon(call, n)
    assert refused > 0
    assert refused + written == 6000
    assert len(lines(tmp_path)) == written


@pytest.mark.bound("clawmatrix_audit.unfinished.OPEN")
@pytest.mark.faults_expected
async def test_work_that_never_ends_does_not_fill_the_audit(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        for at in range(0, 8192, 2048):
            async with anyio.create_task_group() as tasks:
                for n in range(2048):
                    tasks.start_soon(node.audit, record(at + n))
        with pytest.raises(AuditFailed, match="too much work"):
            await node.audit(record(9000))
        await node.audit(record(1, "end", outcome="success"))
        await node.audit(record(9000))


@pytest.mark.bound("clawmatrix_audit.line.LINE", "clawmatrix_audit.describing.TEXT")
async def test_whatever_a_peer_sends_a_line_is_bounded(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    long = '"\\\u0001\u202e\U0001f514\ud800' * 20_000
    async with node_in(node_factory, tmp_path) as node:
        await node.audit(
            record(
                id=long,
                peer=long,
                key=long,
                action=long,
                target=long,
                rule=long,
                approval=long,
                outcome=long,
                arguments={"a": "b" * 10**6},
            )
        )
    [entry] = lines(tmp_path)
    assert len(entry.raw) < 16 * 1024
    assert len(str(entry.fields["target"])) == 256
    assert str(entry.fields["id"]).startswith("hmac-sha256:")
    assert b"\n" not in entry.raw
    assert "\u202e" not in entry.raw.decode()


async def test_what_had_begun_and_not_ended_is_told_at_the_next_start_once(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        await node.audit(record(1))
        await node.audit(record(2))
        await node.audit(record(2, "end", outcome="success"))
    for _ in range(2):
        async with node_in(node_factory, tmp_path):
            pass
    found = [entry for entry in lines(tmp_path) if entry.event == "unfinished"]
    assert [(e.fields["id"], e.fields["target"]) for e in found] == [("id1", "bell")]
    assert found[0].fields["since"] == lines(tmp_path)[0].fields["at"]
    told = [text for text in caplog.messages if "has no end" in text]
    assert len(told) == 1
    assert "tool 'bell' for home began" in told[0]


@pytest.mark.both_loops
async def test_work_whose_asker_left_is_not_left_open(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await node.audit(record(1))
        await node.audit(record(2, "denied"))
    told = [(e.event, e.fields["id"], e.fields.get("outcome")) for e in lines(tmp_path)]
    assert ("begin", "id1", None) not in told or ("end", "id1", "not begun") in told


# --- where it cannot be written


@pytest.mark.faults_expected
async def test_where_it_cannot_be_written_nothing_runs(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with two(node_factory, tmp_path) as (home, office):
        assert (await ring(home, "office"))["rung"]
        with files_of_at_most(size_of(tmp_path / "office")):
            with pytest.raises(AuditFailed, match="cannot be written: File too large"):
                await office.audit(record())
            [finding] = await findings(office)
            assert (finding.status, "cannot be written" in finding.detail) == ("problem", True)
            assert "cannot be written" in (await status(office))["failing"]
            with pytest.raises(ExchangeFailure, match=r"^not allowed on this node$"):
                await called(home, "office")
            assert len(plugin_of(office, BellPlugin).rung) == 1
        assert (await ring(home, "office"))["rung"]
        assert (await status(office))["failing"] is None
    told = [(e.event, e.fields.get("caller")) for e in lines(tmp_path / "office")]
    assert told == [("begin", False), ("end", False)] * 2


@pytest.mark.faults_expected
async def test_a_caller_that_cannot_write_calls_nobody(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with two(node_factory, tmp_path) as (home, office):
        await home.audit(record(event="denied"))
        with (
            files_of_at_most(size_of(tmp_path / "home")),
            pytest.raises(AuditFailed, match="cannot be written"),
        ):
            await ring(home, "office")
        assert plugin_of(office, BellPlugin).rung == []


@pytest.mark.faults_expected
async def test_a_node_without_a_folder_refuses_and_says_what_to_do(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("office", plugins=[AuditPlugin()]) as node:
        with pytest.raises(AuditFailed, match=r"set state_dir, or \[audit\] enabled = false"):
            await node.audit(record())
        [finding] = await findings(node)
        assert finding.status == "problem"


@pytest.mark.faults_expected
async def test_an_audit_that_cannot_be_opened_takes_the_plugin_out(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    (tmp_path / "audit").symlink_to(tmp_path / "elsewhere")
    async with node_in(node_factory, tmp_path) as node:
        info = node.plugins.get("audit")
        assert info is not None
        assert (info.state, "audit" in str(info.reason)) == ("failed", True)
        with pytest.raises(AuditFailed):
            await node.audit(record())


@pytest.mark.faults_expected
async def test_arguments_that_are_no_json_fail_alone(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        results: list[str] = []

        async def call(one: AuditRecord) -> None:
            try:
                await node.audit(one)
                results.append("written")
            except AuditFailed:
                results.append("failed")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, record(1, "denied"))
            tasks.start_soon(call, record(2, "denied", arguments={"a": object()}))
            tasks.start_soon(call, record(3, "denied"))
        assert sorted(results) == ["failed", "written", "written"]


async def test_going_without_must_be_written_and_the_doctor_shows_it(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with node_in(node_factory, tmp_path, audit={"enabled": False}) as node:
        [receipt] = await node.audit(record())
        [finding] = await findings(node)
        assert (await status(node))["enabled"] is False
    assert receipt.head == b""
    assert (finding.status, "enabled = false" in finding.detail) == ("warning", True)
    assert not (tmp_path / "audit").exists()
    assert "[audit] enabled = false: nothing is written down" in caplog.text


async def test_the_doctor_is_content_with_an_audit_that_works(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        [finding] = await findings(node)
    assert finding.status == "ok"
    config = bound({})
    assert await AuditPlugin().register_checks(config, None)[0].run() == []
    [finding] = await AuditPlugin().register_checks(bound({"enabled": False}), None)[0].run()
    assert finding.status == "warning"


async def test_the_doctor_tells_of_a_chain_that_was_broken_before_the_start(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        for n in range(3):
            await node.audit(record(n, "denied"))
    file = tmp_path / "audit" / CURRENT
    whole = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*whole[:1], *whole[3:]]))
    async with node_in(node_factory, tmp_path) as node:
        for _ in range(2):
            [finding] = await findings(node)
            assert finding.status == "warning"
            assert "line 4 of the audit does not follow from line 1" in finding.detail
            await node.audit(record(4, "denied"))


@pytest.mark.parametrize("what", ["file", "folder"])
async def test_the_doctor_tells_of_an_audit_that_was_moved_away(
    what: str, node_factory: NodeFactory, tmp_path: Path
) -> None:
    moved = tmp_path / "audit" / (CURRENT if what == "file" else "")
    async with node_in(node_factory, tmp_path) as node:
        await node.audit(record(1, "denied"))
        moved.rename(tmp_path / "elsewhere")
        for _ in range(2):
            [finding] = await findings(node)
            told = (finding.status, finding.detail)
            assert told == ("warning", f"{moved} was moved away or replaced")
            await node.audit(record(2, "denied"))


def bound(table: dict[str, object]) -> Config:
    config = Config.from_mapping({"node_id": "office", "secret": "s" * 40, "audit": table})
    config.bind([ConfigSection("audit", AuditConfig)])
    return config


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"keep": "1h"}, "audit.keep: must be at least 1d"),
        ({"size": "1 kB"}, "audit.size: must be at least 1 MiB"),
        ({"enabled": "no"}, "audit.enabled"),
        ({"keeep": "90d"}, "audit.keeep"),
    ],
)
def test_a_mistake_in_the_table_is_named(table: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        bound(table)


async def test_the_size_is_taken_without_a_restart(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        await reload(node, {"audit": {"size": "2 MiB", "keep": "2d"}})
        assert node.config.section(AuditConfig).keep == Duration(2 * 86_400)
        assert plugin_of(node, AuditPlugin).book is not None


# --- secrets and the log


async def test_no_secret_gets_into_lines_or_the_log(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = ("planted-4711-secret", "sk-" + "a1" * 20)
    register_secret(secrets[0])
    fields = ("id", "peer", "key", "target", "rule", "approval", "outcome")
    async with node_in(node_factory, tmp_path) as node:
        for n, secret in enumerate(secrets):
            for field in fields:
                told = {field: f"x {secret} y", "arguments": {"token": secret, secret: 1}}
                for event in ("begin", "end", "denied", "opened", "approval"):
                    await node.audit(record(n, event, caller=event == "begin", **told))
        state = str(await status(node))
    written = b"".join(p.read_bytes() for p in (tmp_path / "audit").iterdir()).decode()
    for secret in secrets:
        for text in (written, caplog.text, state):
            assert secret not in text
    assert written.count("***") >= len(secrets) * len(fields)


async def test_a_node_that_is_denied_again_and_again_does_not_fill_the_log(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with node_in(node_factory, tmp_path) as node:
        for n in range(300):
            await node.audit(record(n, "denied", target=f"bell{n % 100}"))
    assert sum("request denied" in text for text in caplog.messages) == 60
    assert len(lines(tmp_path)) == 300


@pytest.mark.parametrize(
    ("more", "level", "words"),
    [
        ({"caller": True}, "INFO", 'Tool invoke: "bell" -> node "home" (id=id1)'),
        (
            {"caller": True, "event": "end", "outcome": "success"},
            "INFO",
            'Tool response: "bell" id=id1 from="home" success',
        ),
        (
            {"caller": True, "event": "end", "outcome": "timeout"},
            "WARNING",
            'Tool response: "bell" id=id1 from="home" failed: timeout',
        ),
        ({}, "INFO", 'Tool request: "bell" from="home" (id=id1)'),
        (
            {"event": "denied"},
            "WARNING",
            'Tool request denied: "bell" from="home" (id=id1): grants.home.tools',
        ),
        (
            {"event": "end", "outcome": "success", "duration": 0.5},
            "INFO",
            'Tool executed: "bell" id=id1 success (0.500 s)',
        ),
        (
            {"event": "end", "outcome": "crash", "action": "agent"},
            "ERROR",
            'Agent executed: "bell" id=id1 failed: crash',
        ),
        (
            {"event": "opened", "action": "workspace", "target": "code"},
            "INFO",
            'Workspace opened: "code" by="home" (id=id1)',
        ),
        (
            {"event": "approval", "outcome": "allow"},
            "INFO",
            'Tool approval: "bell" for="home" (id=id1) allow',
        ),
        ({"target": 'a"\nTool'}, "INFO", 'Tool request: "a"\ufffdTool" from="home" (id=id1)'),
    ],
)
async def test_the_log_tells_of_each_event(
    more: dict[str, Any],
    level: str,
    words: str,
    node_factory: NodeFactory,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with node_in(node_factory, tmp_path, audit={"enabled": False}) as node:
        await node.audit(record(**{"event": "begin", **more}))
    assert (level, words) in [(r.levelname, r.getMessage()) for r in caplog.records]


# --- what others hold


async def test_a_caller_keeps_the_heads_and_tells_the_node_that_asks(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with two(node_factory, tmp_path) as (home, office):
        for _ in range(3):
            await ring(home, "office")
        told = await call_control(office, "audit.heads", {"node": "home"})
        assert [json.loads(head)["n"] for head in told["held"]] == [3, 5, 7]
        assert told["unsigned"] == 0
        assert json.loads(told["own"])["n"] == 7
        none = await call_control(home, "audit.heads", {"node": "office"})
        assert none["held"] == []
    assert [e.fields["caller"] for e in lines(tmp_path / "home")] == [True, True] * 3
    kept = HeldHeads(home.state.read("audit-heads"), lambda _: None)  # they outlive the node
    assert [head.n for head in kept] == [3, 5, 7]


async def test_a_head_that_the_other_node_did_not_sign_is_not_kept(
    node_factory: NodeFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with two(node_factory, tmp_path) as (home, office):
        [receipt] = await home.audit(record(event="denied"))
        key = office.identity.sign_public
        assert keep_head(home, office.id, key, receipt.head) is False
        assert "the head that office sent with a result is not signed" in caplog.text
        for wrong in (b"", b"{}", b"x" * 2000, receipt.head[:-1]):
            assert keep_head(home, office.id, key, wrong) is False
        assert keep_head(home, office.id, home.identity.sign_public, receipt.head) is True


async def test_who_asks_for_heads_of_another_node_gets_none(
    node_factory: NodeFactory, tmp_path: Path
) -> None:
    async with two(node_factory, tmp_path) as (home, office):
        await ring(home, "office")
        requests: list[Any] = [{}, {"chain": 3}, []]
        for wrong in requests:
            with pytest.raises(ExchangeFailure):
                async with office.exchange(
                    "home", "audit_heads", wrong, complete=True, deadline=5
                ) as ex:
                    await ex.receive()
        for name, words in ((3, "expected the name"), ("no such node!", "expected the name")):
            with pytest.raises(ExchangeFailure, match=words):
                await call_control(office, "audit.heads", {"node": name})


@asynccontextmanager
async def two(factory: NodeFactory, folder: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Run home and office, each with an audit and a bell of its own."""
    office = node_in(factory, folder / "office", "office")
    home = node_in(factory, folder / "home", "home", dials=["office"])
    async with office, home:
        await wait_until(lambda: home.reachable(office.id) and office.reachable(home.id))
        yield home, office


def size_of(folder: Path) -> int:
    return (folder / "audit" / CURRENT).stat().st_size


async def called(node: Node, to: str) -> object:
    """Ring a bell without a word in the audit of this node."""
    async with node.exchange(to, "ring", {}, complete=True, deadline=20) as ex:
        return await ex.receive()


async def findings(node: Node) -> Sequence[Finding]:
    plugin = plugin_of(node, AuditPlugin)
    [check] = plugin.register_checks(node.config, node)
    return await check.run()


async def status(node: Node) -> Any:
    [section] = [one for one in node.status_sections() if one.name == "audit"]
    return await section.value()
