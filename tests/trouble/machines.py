"""Machines of a test: each has a network, names, name servers and a firewall of its own."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import attrs
import pytest

from tests.trouble.wire import Port, Wire, open_tap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Lan", "Machine", "lan", "machines", "require_programs"]

P = ParamSpec("P")
T = TypeVar("T")

_NEWNET = 0x40000000
_NAMESPACES = Path("/run/netns")
_BEGIN = (
    'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
)
_CALLS = 16
"""Calls that are made inside one machine at the same time."""


def require_programs(*names: str) -> None:
    """Skip the test where there is not all that it needs."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(
            f"{', '.join(missing)}: not here; apt-get install iproute2 nftables conntrack,"
            " which `make mesh-trouble` does as root"
        )
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root: `make mesh-trouble` begins one for any user")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip(
            "/dev/net/tun cannot be opened: the network of the tests is made of TAP devices"
        )


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@attrs.define(eq=False)
class Machine:
    """A machine.

    Attributes:
        name: what the test calls it.
        folder: where its files are.
        ports: where it is plugged in, by the name of its device.
    """

    name: str
    folder: Path
    ports: dict[str, Port] = attrs.field(factory=dict)
    _threads: ThreadPoolExecutor = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir()
        self.knows({})
        self.asks()
        self.ip("link", "set", "lo", "up")
        self._threads = ThreadPoolExecutor(_CALLS, self.name, initializer=self._enter)

    @property
    def namespace(self) -> str:
        return f"trouble-{os.getpid()}-{self.name}"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with, so that it runs on this machine."""
        hosts, servers = self.folder / "hosts", self.folder / "resolv.conf"
        inside = ("nsenter", f"--net={_NAMESPACES / self.namespace}", "unshare", "--mount")
        return (*inside, "sh", "-c", _BEGIN, "sh", str(hosts), str(servers))

    def knows(self, names: dict[str, tuple[str, ...]]) -> None:
        """Write ``/etc/hosts``: names with their addresses, in order."""
        lines = [f"{address} {name}" for name, found in names.items() for address in found]
        text = "\n".join(["127.0.0.1 localhost", "::1 localhost", *lines])
        (self.folder / "hosts").write_text(f"{text}\n")

    def asks(self, *servers: str) -> None:
        """Write ``/etc/resolv.conf``: the name servers."""
        (self.folder / "resolv.conf").write_text("".join(f"nameserver {s}\n" for s in servers))

    def run(self, *command: str) -> str:
        """Run a command on this machine and return what it prints."""
        return _run(*self.prefix, *command)

    def ip(self, *words: str) -> str:
        """Run ``ip``."""
        return _run("ip", "-n", self.namespace, *words)

    def has(self, *addresses: str, device: str = "eth0") -> None:
        """Give the machine these addresses, each with its prefix, and no others."""
        self.ip("addr", "flush", "dev", device, "scope", "global")
        for address in addresses:
            extra = ("nodad",) if ":" in address else ()
            self.ip("addr", "add", address, "dev", device, *extra)

    def drops(self, *rules: str, hook: str = "input") -> None:
        """Drop packets by nftables: those that a rule such as ``udp dport 53`` is true of."""
        lines = "".join(f"add rule inet drops {hook} {rule} drop\n" for rule in rules)
        chain = f"{{ type filter hook {hook} priority 0; }}"
        self.nft(f"add table inet drops\nadd chain inet drops {hook} {chain}\n{lines}")

    def sets(self, name: str, value: object) -> None:
        """Set a value of the kernel for this machine's network, such as ``ipv4/ip_forward``."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/net/{name}")

    def nft(self, text: str) -> None:
        """Have nftables read some lines."""
        (self.folder / "rules").write_text(text)
        self.run("nft", "-f", str(self.folder / "rules"))

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in a thread that is on this machine's network."""
        return self._threads.submit(function, *args, **kwargs)

    def plug(self, wire: Wire, device: str, *addresses: str) -> None:
        """Connect the machine to a wire."""
        port = wire.plug(self.call(open_tap, device).result())
        self.ports[device] = port
        self.ip("link", "set", device, "up")
        self.has(*addresses, device=device)

    def leave(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _enter(self) -> None:
        with (_NAMESPACES / self.namespace).open() as file:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.setns(file.fileno(), _NEWNET):
                raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def machines(folder: Path) -> Iterator[Callable[[str], Machine]]:
    """Provide what makes a machine, not yet connected to anything; remove all at the end."""
    with ExitStack() as stack:

        def make(name: str) -> Machine:
            namespace = f"trouble-{os.getpid()}-{name}"
            _run("ip", "netns", "add", namespace)
            stack.callback(_run, "ip", "netns", "del", namespace)
            machine = Machine(name, folder / name)
            stack.callback(machine.leave)
            return machine

        yield make


@attrs.frozen
class Lan:
    """Machines on one wire, where each reaches each.

    The addresses of the first one are 10.NUMBER.0.1 and fdNUMBER::1.
    """

    wire: Wire
    make: Callable[[str], Machine]
    number: int = 77
    plugged: list[str] = attrs.field(factory=list)

    def machine(self, name: str) -> Machine:
        """Make a machine and plug it in."""
        machine = self.make(name)
        self.plug(machine, "eth0")
        return machine

    def plug(self, machine: Machine, device: str) -> None:
        """Plug a machine in, which may be on another wire as well."""
        self.plugged.append(machine.name)
        addresses = f"{self.address(machine.name)}/24", f"{self.address6(machine.name)}/64"
        machine.plug(self.wire, device, *addresses)

    def address(self, name: str) -> str:
        """Return the IPv4 address that a machine began with."""
        return f"10.{self.number}.0.{self.plugged.index(name) + 1}"

    def address6(self, name: str) -> str:
        """Return the IPv6 address that a machine began with."""
        return f"fd{self.number}::{self.plugged.index(name) + 1}"


@contextmanager
def lan(folder: Path, seed: int = 1) -> Iterator[Lan]:
    """Make a wire, and what plugs machines into it."""
    folder.mkdir()
    with machines(folder) as make, Wire(seed) as wire:
        yield Lan(wire, make)
