"""Two folders that are kept the same: by two of our nodes, and by two Syncthings.

Both ends of a pair are processes of their own on this machine, free to use all of its cores.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Final

import attrs

from tests.benchmarks.harness import ROOT
from tests.benchmarks.mesh import PROGRAM, SECRET, node
from tests.benchmarks.processes import child, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.benchmarks.processes import Child

__all__ = ["OURS", "SYNCTHING", "SYSTEMS", "UNISON", "Ends", "missing", "unison"]

OURS: Final = "clawmatrix"
SYNCTHING: Final = "Syncthing"
UNISON: Final = "Unison"
_ENDS: Final = ("home", "office")
_NEEDS: Final = {SYNCTHING: ("syncthing", "strelaysrv"), UNISON: ("unison",)}
_OFF: Final = (
    "globalAnnounceEnabled",
    "localAnnounceEnabled",
    "natEnabled",
    "startBrowser",
    "crashReportingEnabled",
)


@attrs.frozen
class Ends:
    """Two ends that are set up, and do not run yet. The near end dials the far one.

    Attributes:
        roots: the two folders.
        running: runs both, the far end first, and what is between them; gives the two processes.
            It can be entered again, as after a restart.
    """

    roots: tuple[Path, Path]
    running: Callable[[], AbstractContextManager[Sequence[Child]]]


def missing(name: str) -> Sequence[str]:
    """Return the programs of a peer that are not installed."""
    return [program for program in _NEEDS.get(name, ()) if shutil.which(program) is None]


def _roots(folder: Path) -> tuple[Path, Path]:
    found = folder / "roots" / _ENDS[0], folder / "roots" / _ENDS[1]
    for root in found:
        root.mkdir(parents=True)
    return found


# --- ours


def _ours(folder: Path, *, relayed: bool) -> Ends:
    roots, port = _roots(folder), free_port()
    listen = f'[mesh]\nlisten = "127.0.0.1:{port}"\n'
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n'
    bodies = {"home": dial, "office": dial if relayed else listen}
    keys = {name: _key(folder, name, bodies[name]) for name in _ENDS}
    for name, other, root in zip(_ENDS, reversed(_ENDS), roots, strict=True):
        bodies[name] += (
            f'[http]\nlisten = "127.0.0.1:{free_port()}"\ntoken = "env:BENCH_TOKEN"\n'
            f'[knowledge.workspaces.notes]\npath = "{root}"\npeers = ["{other}"]\n'
            f'[grants.{other}]\nkey = "{keys[other]}"\nworkspaces = ["notes"]\n'
        )

    @contextlib.contextmanager
    def running() -> Iterator[Sequence[Child]]:
        with contextlib.ExitStack() as stack:
            if relayed:
                http = f'[http]\nlisten = "127.0.0.1:{free_port()}"\ntoken = "env:BENCH_TOKEN"\n'
                between = stack.enter_context(node("relay", listen + http, folder, core=None))
                between.expect("is up")
            far = stack.enter_context(node("office", bodies["office"], folder, core=None))
            far.expect("is up")
            yield stack.enter_context(node("home", bodies["home"], folder, core=None)), far

    return Ends(roots, running)


def _key(folder: Path, name: str, body: str) -> str:
    """Make a node's key, by running it once, and return it."""
    with node(name, body, folder) as running:
        running.expect("is up")
        command = [sys.executable, "-m", PROGRAM, "fingerprint", "--key"]
        told = subprocess.run(
            [*command, "-c", str(folder / f"{name}.toml")],
            cwd=ROOT,
            env={**os.environ, "BENCH_SECRET": SECRET, "XDG_RUNTIME_DIR": str(folder)},
            check=True,
            capture_output=True,
            text=True,
        )
    return told.stdout.split()[-1].strip('"')


# --- Syncthing


def _syncthing(folder: Path, *, relayed: bool) -> Ends:
    roots, relay_port = _roots(folder), free_port()
    homes = [folder / name for name in _ENDS]
    names = [_generated(home) for home in homes]
    ports = [free_port(), free_port()]
    addresses = [f"tcp://127.0.0.1:{port}" for port in ports]
    dialled = "dynamic"  # without discovery that is nobody
    relay = folder / "relay"
    relay.mkdir()
    if relayed:
        with _relay(relay, relay_port) as told:
            addresses = [told, told]
    _configure(homes[0], roots[0], addresses[0], {names[0]: dialled, names[1]: addresses[1]})
    _configure(homes[1], roots[1], addresses[1], dict.fromkeys(names, dialled))

    @contextlib.contextmanager
    def running() -> Iterator[Sequence[Child]]:
        with contextlib.ExitStack() as stack:
            if relayed:
                stack.enter_context(_relay(relay, relay_port))
            far = stack.enter_context(_serving(homes[1]))
            far.expect("Joined relay" if relayed else "Ready to synchronize")
            yield stack.enter_context(_serving(homes[0])), far

    return Ends(roots, running)


def _serving(home: Path) -> AbstractContextManager[Child]:
    command = ["syncthing", "serve", f"--home={home}", "--no-browser", "--no-upgrade"]
    return child(command, core=None, log=home / "log")


def _generated(home: Path) -> str:
    """Make an end's key and configuration; return its device's name."""
    command = ["syncthing", "generate", f"--home={home}", "--no-default-folder"]
    subprocess.run([*command, "--skip-port-probing"], check=True, capture_output=True)
    told = subprocess.run(
        ["syncthing", f"--home={home}", "--device-id"], check=True, capture_output=True, text=True
    )
    return told.stdout.strip()


def _configure(home: Path, root: Path, own: str, devices: Mapping[str, str]) -> None:
    """Write the defaults with another end, one folder, and nothing that looks for strangers."""
    tree = ET.parse(home / "config.xml")
    top, options = tree.getroot(), tree.find("options")
    assert options is not None
    settings = dict.fromkeys(_OFF, "false")
    settings |= {"relaysEnabled": str(own.startswith("relay")).lower(), "urAccepted": "-1"}
    settings |= {"listenAddress": own, "autoUpgradeIntervalH": "0"}
    for name, value in settings.items():
        found = options.find(name)
        assert found is not None, name
        found.text = value
    gui = top.find("gui/address")
    assert gui is not None
    gui.text = f"127.0.0.1:{free_port()}"
    for device in top.findall("device"):
        top.remove(device)
    folder = ET.SubElement(top, "folder", id="notes", path=str(root), rescanIntervalS="3600")
    folder.attrib |= {"fsWatcherEnabled": "true", "fsWatcherDelayS": "1", "type": "sendreceive"}
    for name, address in devices.items():
        device = ET.SubElement(top, "device", id=name, compression="metadata")
        ET.SubElement(device, "address").text = address
        ET.SubElement(folder, "device", id=name)
    tree.write(home / "config.xml")


@contextlib.contextmanager
def _relay(folder: Path, port: int) -> Iterator[str]:
    """Run Syncthing's relay; give its address."""
    command = ["strelaysrv", "-pools=", "-status-srv=", f"-keys={folder}"]
    command += [f"-listen=127.0.0.1:{port}", "-protocol=tcp4"]
    shell = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]  # its address goes to standard error
    with child(shell, core=None, log=folder / "log") as running:
        yield running.expect(r"(relay://\S*?id=[A-Z0-9-]+)")[1]


# --- Unison


def unison(folder: Path, roots: tuple[Path, Path]) -> None:
    """Bring two folders of one machine together, once, without a network and without fsync."""
    command = ["unison", *map(str, roots), "-batch", "-silent", "-ui", "text"]
    env = {**os.environ, "UNISON": str(folder / "unison")}
    subprocess.run(command, check=True, env=env, capture_output=True)


SYSTEMS: Final = {OURS: _ours, SYNCTHING: _syncthing}
