"""What a node asks of a guard: one command, and what it may do. Made of, and read from, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from clawmatrix_tool_proxy.exec.guarding.system_places import SYSTEM_PLACES

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.exec.guarding.framing import Message

__all__ = ["MARK", "Job", "Network", "Place"]

MARK = "CLAWMATRIX_GUARDED"
"""The variable by which processes without a private folder are told from others."""


class Place(NamedTuple):
    """A file or folder, with what it was when the node looked.

    Attributes:
        path: where it is, absolute and without symbolic links.
        device: and ``inode``: which file that is, so that another one in its place is noticed.
        write: whether the command may write there.
    """

    path: str
    device: int
    inode: int
    write: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """What identifies the file, whatever its path."""
        return self.device, self.inode


class Network(NamedTuple):
    """How much of the network the command may use.

    Attributes:
        open: whether everything is allowed, UDP and servers too.
        ports: the ports that it may connect to by TCP, where not everything is allowed.
        hosts: the text of its hosts file, None for the machine's own.
    """

    open: bool = False
    ports: tuple[int, ...] = ()
    hosts: str | None = None


class Job(NamedTuple):
    """A command to run.

    Attributes:
        argv: the arguments; the first is the program's absolute path.
        env: the environment but for HOME and TMPDIR, which are in the private folder.
        root: which of ``roots`` the command starts in, None for its private folder.
        cwd: the folders from that root to where the command starts.
        stdin: whether the command reads the pipe that the node holds; else it reads nothing.
        timeout: after how many seconds it is killed; None for never.
        private: the command's private folder, which the guard makes and removes; empty without.
        roots: what the command may use, each for reading or for writing.
        readable: further paths that it may read.
        own: paths that are kept from it wherever it may read: the node's own files and folders.
        unmade: paths at which no command may make a file, where there is none.
        hidden_name: the name of folders that are kept from it as well.
        search: how many folders of the roots are looked through for those.
        processes: how many processes it may have.
        memory: how many bytes of memory each process may have.
        file_size: how many bytes a file may have that it writes.
        cgroup: the folder of the cgroup that the guard makes for the command; None without.
        network: how much of the network it may use.
        without: the parts of the confinement whose absence is accepted.
        probe: whether to tell which parts are missing, and to run nothing.
        free: the folder that the command starts in where nothing holds it in: then it has the
            environment as given, no private folder, and no limits. None holds it in.
    """

    argv: tuple[str, ...]
    env: dict[str, str]
    root: int | None
    cwd: tuple[str, ...]
    stdin: bool
    timeout: float | None
    private: str
    roots: tuple[Place, ...]
    readable: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    unmade: tuple[str, ...] = ()
    hidden_name: str = ".clawmatrix"
    search: int = 100_000
    processes: int = 256
    memory: int = 4 * 1024**3
    file_size: int = 4 * 1024**3
    cgroup: str | None = None
    network: Network = Network()
    without: tuple[str, ...] = ()
    probe: bool = False
    free: str | None = None

    @property
    def mark(self) -> str:
        """What stands in the environment of its processes, and of no others."""
        if self.private:
            return f"TMPDIR={self.private}/"
        return f"{MARK}={self.env[MARK]}"

    @property
    def readable_all(self) -> tuple[str, ...]:
        """All paths that it may read outside its roots, those of the system too."""
        return (*SYSTEM_PLACES, *self.readable)

    def to_json(self) -> Message:
        """Return the job as a message."""
        return self._asdict()

    @classmethod
    def of_json(cls, message: Message) -> Job:
        """Return the job of a message. Raises: TypeError, for one of another shape."""
        lists = ("argv", "cwd", "readable", "own", "unmade", "without")
        told = message | {name: tuple(message[name]) for name in lists if name in message}
        told["roots"] = tuple(Place(*place) for place in message["roots"])
        if "network" in message:
            everything, ports, hosts = message["network"]
            told["network"] = Network(everything, tuple(ports), hosts)
        return cls(**told)
