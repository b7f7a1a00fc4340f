"""``clawmatrix grants``, as people type it, with a node in a process of its own and without one."""

from __future__ import annotations

import io
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core import NodeId, StateFolder, key_text
from clawmatrix_core.cli import execute
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.trust import TrustStore
from tests.integration.conftest import NodeProcess, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = (
    'plugins = ["control", "grants"] # few\n\n# Who may do what.\n[grants.office]\ntools = ["x"]\n'
)
HOME, RIVAL, BOUND, FAR = (Identity.generate() for _ in range(4))


@attrs.frozen
class Told:
    """What a command said."""

    code: int
    out: str
    err: str


@attrs.define
class Office:
    """A node, and what people type at it."""

    node: NodeProcess
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def text(self) -> str:
        return self.node.config.read_text()

    def configure(self, text: str = PLAIN) -> None:
        self.node.configure(text)

    def grants(self, *arguments: str, stdin: str = "") -> Told:
        return self.run("grants", *arguments, stdin=stdin)

    def run(self, *arguments: str, stdin: str = "") -> Told:
        self.monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        self.capsys.readouterr()
        code = execute([*arguments, "-c", str(self.node.config)])
        out, err = self.capsys.readouterr()
        return Told(int(code), out, err)

    def check(self, *arguments: str) -> int:
        return self.grants("check", *arguments).code


@pytest.fixture
def office(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Office]:
    """A node that knows home over a link, bound by an invitation, far by hearsay; it rests."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    node = NodeProcess("office", tmp_path)
    with StateFolder(tmp_path / "office-state") as state:
        trust = TrustStore(state)
        for name, key, proven in (("home", HOME, True), ("far", FAR, False), ("home", RIVAL, True)):
            trust.check(NodeId(name), key.sign_public, proven=proven, now=time.time())
        trust.insist(NodeId("bound"), BOUND.sign_public, now=time.time())
        trust.flush()
    office = Office(node, monkeypatch, capsys)
    office.configure()
    yield office
    if node.process is not None:
        node.process.kill()
        node.process.wait(20)


def start(node: NodeProcess) -> None:
    node.start()
    wait_for(lambda: node.ask("plugins"), f"office is up\n{node.log}")


def test_a_grant_is_written_for_a_key_that_a_person_compared_and_is_in_force(
    office: Office,
) -> None:
    start(office.node)
    assert office.check("home", "read") == 13
    lists = ("--tools", "read,list", "--models", "qwen*", "--tools", "x")
    for refused, why in (
        (office.grants("add", "home", *lists, "--yes"), "nothing proves that this is the key"),
        (office.grants("add", "home", *lists, stdin="12345\n"), "these are not the digits"),
        (office.grants("add", "home", *lists, stdin=f"{RIVAL.digits}\n"), "not the digits"),
    ):
        assert (refused.code, why in refused.err) == (1, True), refused
        assert HOME.digits not in refused.out + refused.err  # they are read on that machine
    assert office.text.endswith(PLAIN)

    done = office.grants("add", "home", *lists, stdin=f"{HOME.digits}\n")
    assert done.code == 0, done
    assert f"home  {HOME.fingerprint}  linked: it came first over a link" in done.out
    assert f"also shown as home: {RIVAL.fingerprint}  proved by a handshake, 1 times" in done.out
    assert "the key; tools: read, list, x; models: qwen*\nthe node has it in force" in done.out
    block = (
        f'\n[grants.home]\nkey = "{key_text(HOME.sign_public)}"\n'
        'tools = ["read", "list", "x"]\nmodels = ["qwen*"]\n'
    )
    assert office.text.endswith(PLAIN + block)
    assert office.check("home", "read") == 0
    assert office.check("home", "qwen3", "--action", "model") == 0
    assert office.check("home", "exec") == 13

    more = office.grants("add", "home", "--tools", "exec", "--key", key_text(HOME.sign_public))
    assert more.code == 130  # there was nobody to ask
    again = office.grants(
        "add", "home", "--tools", "exec,list", "--key", key_text(HOME.sign_public), "--yes"
    )
    assert (again.code, "wrote into [grants.home]" in again.out) == (0, True), again
    assert office.text.count("[grants.home]") == 1
    assert '["read", "list", "x", "exec"]' in office.text
    assert office.check("home", "exec") == 0
    nothing = office.grants("add", "bound", "--yes")
    assert (nothing.code, "the key\nthe node has it" in nothing.out) == (0, True), nothing
    nothing = office.grants("add", "bound", "--yes")
    assert "has all of this already" in nothing.out


def test_a_withdrawn_grant_is_out_of_force_and_a_bad_file_changes_nothing(office: Office) -> None:
    office.configure(f'{PLAIN}[grants.bound]\ntools = ["read"]\n')
    start(office.node)
    assert office.check("bound", "read") == 0
    text = office.text
    bad = f'{text}[grants-tests.none]\npeer = "bound"\ntool = "read"\nexpect = "deny"\n'
    office.node.config.write_text(bad.replace('"x"', '"y", "bound"'))
    refused = office.run("reload")
    words = "grants-tests.none: expected deny, got allow: grants.bound.tools decides"
    assert (refused.code, words in refused.err) == (2, True), refused
    assert "the tables that were in force before stay in force" in refused.err
    assert office.check("bound", "read") == 0
    assert office.check("office2", "y") == 13
    doctor = office.run("doctor")
    assert (doctor.code, words in doctor.out) == (12, True)
    office.node.config.write_text(bad.replace('tools = ["read"]', ""))
    begun = time.monotonic()
    assert office.run("reload").out == "reloaded: grants, grants-tests\n"
    assert office.check("bound", "read") == 13
    assert time.monotonic() - begun < 1


def test_a_grant_that_the_file_refuses_is_not_written(office: Office) -> None:
    told = f'{PLAIN}[grants-tests.no-exec]\npeer = "home"\ntool = "exec"\nexpect = "deny"\n'
    office.configure(told)
    key = ("--key", key_text(HOME.sign_public), "--yes")
    failing = office.grants("add", "home", "--tools", "exec", *key)
    assert failing.code == 2
    assert "no-exec: expected deny, got allow: grants.home.tools decides" in failing.err
    pattern = office.grants("add", "home", "--tools", "[", *key)
    assert (pattern.code, "grants.home.tools[0]: " in pattern.err) == (2, True), pattern
    assert office.text.endswith(told)
    everyone = office.grants("add", "*", "--tools", "read", "--yes")
    assert (everyone.code, "all members can be granted models" in everyone.err) == (2, True)
    assert office.text.endswith(told)


def test_nothing_is_written_where_a_test_fails_before_and_after(office: Office) -> None:
    told = f'{PLAIN}[grants-tests.ok]\npeer = "office2"\ntool = "x"\nexpect = "allow"\n'
    key = ("--key", key_text(HOME.sign_public), "--yes")
    unset = 'http.token = "env:NOT_SET_HERE"\n'
    for text, words in (
        (told, "grants-tests.ok: expected allow, got deny"),
        (unset + told.replace('"grants"]', '"grants", "http"]'), "NOT_SET_HERE"),
    ):
        office.configure(text)
        failing = office.grants("add", "home", "--tools", "x", *key)
        assert (failing.code, words in failing.err) == (2, True), failing
        assert office.text.endswith(text)
    office.configure(told)
    mending = office.grants("add", "office2", "--tools", "x", *key)
    assert mending.code == 0, mending
    assert "[grants.office2]" in office.text


def test_a_grant_is_written_where_no_node_runs_and_secrets_are_elsewhere(office: Office) -> None:
    text = office.text.replace('secret = "', 'secret = "env:NOT_SET_HERE_').replace("-0123", "")
    office.node.config.write_text(text)
    office.node.config.chmod(0o640)
    done = office.grants("add", "bound", "--tools", "read", stdin="y\n")
    assert done.code == 0, done
    assert f"bound  {BOUND.fingerprint}  invited: an invitation bound it to the name" in done.out
    assert "the node does not run: it is in force when the node starts" in done.out
    assert office.node.config.stat().st_mode & 0o777 == 0o640
    no = office.grants("add", "bound", "--tools", "list", stdin="n\n")
    assert (no.code, "nothing is written" in no.err) == (1, True)
    assert '"list"' not in office.text


def test_keys_that_cannot_be_granted_anything_and_names_that_are_none(office: Office) -> None:
    before = office.text
    for arguments, code, words in (
        (("nobody", "--tools", "x"), 1, "no key of nobody is known here: give it with --key"),
        (("office", "--tools", "x"), 1, 'office is this node: its own clients are "@local"'),
        (("@ci", "--tools", "x", "--yes"), 1, '[grants."@ci"] is not there'),
        (("@local", "--key", key_text(HOME.sign_public)), 2, "for the key of one node"),
        (("home", "--key", "ed25519:xyz"), 2, 'expected "ed25519:" and 32 bytes'),
        (("home", "--tools", "a,,b"), 2, "expected names with commas in between"),
        (("far", "--tools", "x", "--yes"), 1, "nothing proves that this is the key of far"),
    ):
        told = office.grants("add", *arguments)
        assert (told.code, words in told.err) == (code, True), told
    assert office.text == before
    unknown = office.grants("add", "new", "--key", key_text(RIVAL.sign_public), "--yes")
    assert (unknown.code, "new is not known here; the grant is for" in unknown.out) == (0, True)
    other = office.grants("add", "home", "--key", key_text(RIVAL.sign_public), "--yes")
    assert f"the grant is for the key that was given, {key_text(RIVAL.sign_public)}" in other.out


def test_a_table_for_another_key_takes_the_digits_also_of_a_proved_key(office: Office) -> None:
    office.configure(f'{PLAIN}[grants.bound]\nkey = "{key_text(FAR.sign_public)}"\ntools = ["x"]\n')
    refused = office.grants("add", "bound", "--yes")
    assert refused.code == 1
    assert f"so far the table is for another key, {key_text(FAR.sign_public)}" in refused.out
    done = office.grants("add", "bound", stdin=f"{BOUND.digits}\n")
    assert done.code == 0, done
    assert office.text.endswith(f'key = "{key_text(BOUND.sign_public)}"\ntools = ["x"]\n')


def test_grants_to_groups_own_clients_and_everybody(office: Office) -> None:
    office.configure('plugins = ["control", "grants"]\n[grants."@ci"]\nnodes = ["bound", "far"]\n')
    for peer, lists in (
        ("@ci", ("--tools", "read")),
        ("@local", ("--tools", "*")),
        ("*", ("--models", "*")),
    ):
        done = office.grants("add", peer, *lists, stdin="y\n")
        assert done.code == 0, done
    told = json.loads(office.grants("show", "--json").out)
    assert (told["running"], told["table"]) == (False, True)
    peers = {one["peer"]: one for one in told["peers"]}
    assert set(peers) == {"bound", "far", "@local", "*"}
    counts = {name: [one["counts"] for one in peers[name]["grants"]] for name in peers}
    assert counts == {"bound": [True, True], "far": [False, True], "@local": [True], "*": [True]}
    assert "known as hearsay only" in peers["far"]["grants"][0]["why"]
    assert [office.check(peer, "read") for peer in ("bound", "far", "@local")] == [0, 13, 0]
    assert office.check("new", "any", "--action", "model") == 13  # it has no key here
    assert office.check("far", "any", "--action", "model") == 0


RULES = """
[[grants.bound.rules]]
allow = ["exec"]
when = { argv = ["/bin/make", ["test", "lint"]], cwd = "code/**" }
until = 2999-01-31T00:00:00Z
[[grants.bound.rules]]
ask = ["write"]
[[grants.bound.rules]]
deny = ["*"]
when = { path = "code/secret" }
until = 2020-01-31T00:00:00Z
"""


@pytest.mark.parametrize("running", [True, False])
def test_what_is_decided_and_why_is_told(office: Office, running: bool) -> None:
    office.configure(PLAIN + "[grants.bound]\n" + RULES)
    if running:
        start(office.node)
    argv = ("--arg", 'argv=["/bin/make", "test"]')
    allowed = office.grants("check", "bound", "exec", *argv, "--arg", "cwd=code/x")
    assert (allowed.code, "allow by grants.bound.rules[0]: " in allowed.out) == (0, True), allowed
    denied = office.grants("check", "bound", "exec", *argv, "--json")
    told: dict[str, Any] = json.loads(denied.out)
    assert (denied.code, told["effect"], told["running"]) == (13, "deny", running)
    considered = {one["rule"]: (one["matched"], one["why"]) for one in told["considered"]}
    assert considered["grants.bound.rules[1]"] == (False, "it does not name exec")
    assert considered["grants.bound.rules[2]"] == (False, "it has ended")
    assert "cwd cannot be told" in considered["grants.bound.rules[0]"][1]
    asked = office.grants("check", "bound", "write", "--arg", "text=1")
    assert (asked.code, "ask by grants.bound.rules[1]: " in asked.out) == (14, True)
    assert office.check("bound", "exec", "--any") == 0
    for wrong in (("--any", *argv), ("--arg", "x"), (*argv, *argv), ("--action", "tea")):
        assert office.check("bound", "exec", *wrong) == 2
    assert office.check("@ci", "exec") == 2

    shown = office.grants("show", "bound").out
    lines = [
        f"bound  {BOUND.fingerprint}  invited",
        "  grants.bound",
        '    allow  tools: exec  when argv = ["/bin/make", ["test", "lint"]], cwd = "code/**"'
        "  until 2999-01-31T00:00:00+00:00",
        "    ask    tools: write",
        '    deny   tools: *  when path = "code/secret"  ended 2020-01-31T00:00:00+00:00',
    ]
    note = ["note: the node does not run: introductions and revocations are not looked at"]
    assert shown.splitlines() == ([] if running else note) + lines
    assert "nothing is granted" in office.grants("show", "far").out
    everyone = office.grants("show").out
    assert "office\n  grants.office: only denies count: no key of office" in everyone


@pytest.mark.parametrize("running", [True, False])
def test_without_a_table_nobody_may_use_anything_but_models(office: Office, running: bool) -> None:
    office.configure('plugins = ["control", "grants"]\n')
    if running:
        start(office.node)
    told = office.grants("check", "bound", "read").out
    assert "deny: there is no table [grants]: nobody may use anything but models\n" in told
    assert "there is no table [grants]" in office.grants("show").out
    assert office.check("bound", "read") == 13
    assert office.check("bound", "m", "--action", "model") == 0
    assert office.check("@local", "read") == 13


def test_a_table_whose_plugin_is_off_is_refused(office: Office) -> None:
    for off in ('plugins = ["control"]\n', 'disable = ["grants"]\n'):
        office.configure(f'{off}[grants.home]\ntools = ["x"]\n')
        refused = office.run("config", "check")
        words = "grants: the table is there, and no plugin decides by it: all is denied"
        assert (refused.code, words in refused.err) == (2, True), refused


def test_without_tomlkit_only_a_new_table_can_be_written(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tomlkit", None)
    assert office.grants("add", "bound", "--tools", "x", "--yes").code == 0
    refused = office.grants("add", "bound", "--tools", "y", "--yes")
    assert (refused.code, "pip install 'clawmatrix[edit]'" in refused.err) == (1, True), refused
    assert [one.name for one in office.node.folder.glob("*office.toml*")] == ["office.toml"]
