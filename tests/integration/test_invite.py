"""From nothing to a mesh of two machines, with nothing carried but a token: real processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.cli import control_client
from tests.integration.conftest import free_port, wait_for
from tests.plugins.mesh.websocket.test_tls import Files
from tests.tools.forking import commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@attrs.define
class Machine:
    """A machine with a user of its own: a home, and a command line."""

    name: str
    home: Path
    processes: list[subprocess.Popen[str]] = attrs.field(factory=list)

    @property
    def config(self) -> Path:
        return self.home / "config" / "clawmatrix" / "clawmatrix.toml"

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def environ(self) -> dict[str, str]:
        folders = {
            f"XDG_{name.upper()}_HOME": str(self.home / name) for name in ("config", "state")
        }
        return {**os.environ, **folders, "HOME": str(self.home), "PYTHONWARNINGS": "error"}

    def cli(self, *arguments: str, told: str = "") -> subprocess.CompletedProcess[str]:
        return commands().run(arguments, told=told, cwd=self.home, env=self.environ())

    def ask(self, method: str) -> Any:
        """Ask the node, without a process for it: for what a test looks at again and again."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_STATE_HOME", str(self.home / "state"))
            return control_client.call(self.config, method, {})

    def run(self) -> None:
        """Start the node, and wait until it is up."""
        # Several machines share one here, and with it the port of the local API.
        with self.config.open("a") as config:
            config.write('\n[http]\nlisten = "127.0.0.1:0"\n')
        with (self.home / "log").open("a") as log:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "clawmatrix_core.cli", "-vv", "run"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    text=True,
                    cwd=self.home,
                    env=self.environ(),
                )
            )
        wait_for(lambda: f"node {self.name} is up" in self.log, f"{self.name} is up")


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[dict[str, Machine]]:
    found = {}
    for name in ("relay", "lab", "late"):
        (tmp_path / name).mkdir()
        found[name] = Machine(name, tmp_path / name)
    yield found
    for machine in found.values():
        for process in machine.processes:
            process.kill()
            process.wait()


def invited(relay: Machine, *options: str) -> str:
    made = relay.cli("invite", *options)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("cmi_")
    assert made.stdout.count("\n") == 1, "the token alone, for a pipe"
    return made.stdout.strip()


def secret_of(machine: Machine) -> str:
    return str(tomllib.loads(machine.config.read_text())["secret"])


def revokers_of(machine: Machine) -> dict[str, str]:
    """Return the table [mesh.revokers] of a machine's configuration."""
    found: dict[str, str] = tomllib.loads(machine.config.read_text())["mesh"]["revokers"]
    return found


def revoker_line(machine: Machine) -> dict[str, str]:
    """Return the line that `clawmatrix fingerprint` prints for the table."""
    return tomllib.loads(machine.cli("fingerprint", "--key").stdout)


def status_of(machine: Machine, peer: str) -> str | None:
    return next((one["status"] for one in machine.ask("peers") if one["nodeId"] == peer), None)


def test_a_machine_joins_and_is_a_member(
    machines: dict[str, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, lab, late = machines.values()
    port = free_port()
    listen = f"127.0.0.1:{port}"
    assert relay.cli("init", "--node-id", "relay", "--listen", listen).returncode == 0
    not_yet = relay.cli("invite")
    assert not_yet.returncode == 3
    relay.run()

    assert "no other machine can dial" in relay.cli("invite").stderr
    token = invited(relay)
    joined = lab.cli("join", "--node-id", "lab", "-", told=token[:40] + "\n" + token[40:] + "\n")
    assert joined.returncode == 0, joined.stderr
    assert joined.stdout.startswith("joined the mesh of relay as lab\n")
    assert "clawmatrix run\n" in joined.stdout
    assert lab.config.stat().st_mode & 0o777 == 0o600
    secret = secret_of(relay)
    assert secret_of(lab) == secret
    assert secret not in joined.stdout + joined.stderr
    assert "Nodes that can put another one out: relay\n" in joined.stdout
    assert revokers_of(lab) == revokers_of(relay) == revoker_line(relay)
    assert lab.cli("config", "check").returncode == 0

    lab.run()
    monkeypatch.setenv("XDG_STATE_HOME", str(lab.home / "state"))
    wait_for(lambda: status_of(lab, "relay") == "direct", f"lab has a link\n{lab.log}")
    trusted = lab.cli("trust", "list").stdout
    assert re.search(r"^relay  [A-Z2-7-]{39}  invited$", trusted, re.MULTILINE), trusted

    again = late.cli("join", "--node-id", "late", token)
    assert again.returncode == 10
    assert again.stderr.count("\n") == 1
    assert not late.config.exists()
    assert "used by lab" in relay.cli("invite", "list").stdout
    for text in (relay.log, lab.log):
        assert token not in text
        assert secret not in text


def test_each_thing_that_can_be_wrong_has_a_line_and_a_code(machines: dict[str, Machine]) -> None:
    relay, lab, late = machines.values()
    listen = f"127.0.0.1:{free_port()}"
    assert relay.cli("init", "--node-id", "relay", "--listen", listen).returncode == 0
    relay.run()

    def fails(code: int, words: str, token: str, *options: str) -> None:
        ran = lab.cli("join", "--node-id", "lab", *options, token)
        assert ran.returncode == code, ran.stderr
        assert words in ran.stderr
        assert ran.stderr.count("\n") == 1
        assert ran.stderr.startswith("clawmatrix: ")
        assert token == "" or token not in ran.stderr
        assert not lab.config.exists()

    token = invited(relay)
    fails(8, "copy all of it", token[:-1])
    fails(8, "copy all of it", token[:60] + ("A" if token[60] != "A" else "B") + token[61:])
    fails(8, "no invitation", "hello")
    fails(1, "choose another name with --node-id", token, "--node-id", "relay")
    fails(2, "node_id", token, "--node-id", "a b")
    fails(2, "--listen", token, "--listen", "19000")
    gone = invited(relay, "--address", f"ws://127.0.0.1:{free_port()}")
    fails(6, "relay is not reached", gone)
    short = invited(relay, "--expires", "1s")
    wait_for(lambda: "expired" in str(relay.ask("invite.list")), "it is too old")
    assert "expired" in relay.cli("invite", "list").stdout
    fails(11, "too old", short)
    id_ = relay.cli("invite", "list").stdout.split()[0]
    assert relay.cli("invite", "revoke", id_).returncode == 0
    fails(9, "does not know", token)
    assert relay.cli("invite", "revoke", id_).returncode == 1
    for wrong in (("--expires", "soon"), ("--expires", "8d"), ("--address", "http://lab")):
        assert relay.cli("invite", *wrong).returncode == 2

    token = invited(relay)
    lab.config.write_text("mine")
    ran = lab.cli("join", "--node-id", "lab", token)
    assert (ran.returncode, lab.config.read_text()) == (2, "mine")
    assert late.cli("join", "--node-id", "late", token).returncode == 0, "it was not used up"


def test_a_machine_that_was_installed_again_can_have_its_name_back(
    machines: dict[str, Machine],
) -> None:
    relay, lab, again = machines.values()
    listen = f"127.0.0.1:{free_port()}"
    assert relay.cli("init", "--node-id", "relay", "--listen", listen).returncode == 0
    relay.run()
    assert lab.cli("join", "--node-id", "lab", invited(relay)).returncode == 0
    token = invited(relay)
    refused = again.cli("join", "--node-id", "lab", token)
    assert refused.returncode == 1
    [command] = re.findall("`clawmatrix (trust accept .*)` there", refused.stderr)
    assert relay.cli(*command.split()).returncode == 0
    assert again.cli("join", "--node-id", "lab", token).returncode == 0


def test_a_machine_joins_over_tls_with_a_private_authority(
    machines: dict[str, Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, lab, _ = machines.values()
    files = Files(tmp_path)
    listen = f"127.0.0.1:{free_port()}"
    assert relay.cli("init", "--node-id", "relay", "--listen", listen).returncode == 0
    text = relay.config.read_text()
    tls = "".join(f'{name} = "{path}"\n' for name, path in files.server().items())
    relay.config.write_text(text.replace("[mesh]\n", f"[mesh]\n{tls}"))
    relay.run()
    token = invited(relay)
    assert "wss://127.0.0.1:" in relay.cli("invite").stderr

    unknown = lab.cli("join", "--node-id", "lab", token)
    assert unknown.returncode == 6
    assert "not trusted" in unknown.stderr
    assert lab.cli("join", "--node-id", "lab", "--ca", str(files.ca), token).returncode == 0
    assert tomllib.loads(lab.config.read_text())["mesh"]["ca"] == str(files.ca)
    lab.run()
    monkeypatch.setenv("XDG_STATE_HOME", str(lab.home / "state"))
    wait_for(lambda: status_of(lab, "relay") == "direct", f"lab has a link\n{lab.log}")


def waits_at(machine: Machine) -> str:
    return machine.cli("revocations", "list").stdout


def test_any_member_may_put_out_nobody_but_the_founder_does(machines: dict[str, Machine]) -> None:
    relay, lab, late = machines.values()
    listen = f"127.0.0.1:{free_port()}"
    assert relay.cli("init", "--node-id", "relay", "--listen", listen).returncode == 0
    relay.run()
    for machine in (lab, late):
        joined = machine.cli("join", "--node-id", machine.name, invited(relay))
        assert joined.returncode == 0, joined.stderr
        machine.run()
    wait_for(lambda: status_of(lab, "late"), "lab knows late")
    wait_for(lambda: status_of(relay, "late"), "relay knows late")
    assert "late" in relay.cli("peers").stdout

    revoked = lab.cli("revoke", "late", "--reason", "envy")
    assert revoked.returncode == 0, revoked.stderr
    assert "Waits for a person at: relay (there: clawmatrix revocations accept late)" in (
        revoked.stdout
    )
    wait_for(lambda: "late was revoked by lab (envy)" in waits_at(relay), "it waits at relay")
    assert "late was revoked by lab (envy)" in relay.cli("status").stdout
    assert "late was revoked by lab (envy): it waits for you" in relay.cli("doctor").stdout
    assert status_of_all(relay)["late"] == "direct"

    rejected = relay.cli("revocations", "reject", "late")
    assert rejected.stdout == "what lab said of late is not in force at this node\n"
    assert waits_at(relay) == "no revocation waits\n"
    assert "rejected" in relay.cli("revocations", "list", "--all").stdout
    assert relay.cli("revocations", "accept", "late").returncode == 1

    assert lab.cli("revoke", "--undo", "late", "--local").returncode == 0
    revoked = relay.cli("revoke", "late", "--json")
    answer = json.loads(revoked.stdout)
    assert sorted(answer["obey"]) == ["lab"]
    wait_for(lambda: status_of(relay, "late") is None, "relay is rid of it")
    assert "late" not in status_of_all(relay)
    wait_for(lambda: "revoked by relay" in lab.cli("status").stdout, "lab obeys")
    for machine in (relay, lab, late):
        for process in machine.processes:
            process.terminate()
            assert process.wait(30) == 0


def status_of_all(machine: Machine) -> dict[str, str]:
    shown = json.loads(machine.cli("peers", "--json").stdout)
    return {one["nodeId"]: one["status"] for one in shown}
