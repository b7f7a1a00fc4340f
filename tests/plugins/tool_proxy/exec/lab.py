"""Commands under real guards, without a node: as this user, and as one who is not root."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import pytest

from clawmatrix_tool_proxy.exec.cgroups import usable_cgroup
from clawmatrix_tool_proxy.exec.commands import run_command
from clawmatrix_tool_proxy.exec.guarding.job import Job, Place
from clawmatrix_tool_proxy.exec.guards import Guards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.exec.commands import Ended

__all__ = ["PYTHON", "USERS", "Lab", "Ran", "laboratory", "place_of"]

NOBODY: Final = 65534
PYTHON: Final = next(
    (path for path in ("/usr/bin/python3", "/usr/local/bin/python3") if os.path.exists(path)),
    sys.executable,
)
"""A Python that commands may read: this one may be in somebody's home."""

USERS: Final = ("this user", "an ordinary user") if os.geteuid() == 0 else ("this user",)
_ORDINARY: Final = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", PYTHON)
_READABLE: Final = (sys.prefix, sys.base_prefix) if sys.executable == PYTHON else ()


@attrs.frozen
class Ran:
    """What a command wrote, and how it ended."""

    out: str
    err: str
    ended: Ended

    @property
    def json(self) -> JSON:
        """What it wrote, as JSON."""
        assert self.out, self.err
        return json.loads(self.out)


class Lab:
    """A folder as the root of commands, and guards that run as some user.

    Attributes:
        base: a folder that the user owns; ``root`` is in it, and nothing else is for commands.
        root: the root, for writing.
        python_command: the command of a Python of that user; None is this Python.
        guards: start the guards.
        changes: what jobs have instead of what they would have.
    """

    def __init__(self, base: Path, user: str) -> None:
        self.base, self.root = base, base / "root"
        self.root.mkdir()
        self.ordinary = user == "an ordinary user"
        self.own(base)
        self.own(self.root)
        self.python_command = self._python()
        self.guards = Guards(self.python_command)
        self.changes: dict[str, object] = {}

    def own(self, path: Path) -> Path:
        """Give a file or folder to the user that commands run as."""
        if self.ordinary:
            os.chown(path, NOBODY, NOBODY)
        return path

    def file(self, path: Path, text: str) -> Path:
        """Make a file of that user, in folders of that user."""
        for folder in reversed(path.parents):
            if not folder.exists():
                folder.mkdir(mode=0o700)
                self.own(folder)
        path.write_text(text)
        path.chmod(0o600)
        return self.own(path)

    def job(self, *argv: str, **changes: object) -> Job:
        """Return the job of a command in the root."""
        name, group = f"clawmatrix-{os.urandom(8).hex()}", usable_cgroup()
        job = Job(
            argv=argv,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
            root=0,
            cwd=(),
            stdin=False,
            timeout=30.0,
            private=os.path.join(tempfile.gettempdir(), name),
            roots=(place_of(self.root),),
            readable=_READABLE,
            cgroup=f"{group}/{name}" if group and not self.ordinary else None,
        )
        return job._replace(**{**self.changes, **changes})  # type: ignore[arg-type]

    async def run(self, *argv: str, stdin: bytes = b"", **changes: object) -> Ran:
        """Run a command."""
        return await self.do(self.job(*argv, stdin=bool(stdin), **changes), stdin=stdin)

    async def sh(self, script: str, **changes: object) -> Ran:
        """Run a script of the shell."""
        return await self.do(self.job("/bin/sh", "-c", script, **changes))

    async def python(self, code: str, **changes: object) -> Ran:
        """Run a program in Python, which has some helpers of ``attacker``."""
        program = f"{_HELPERS}\n{code}"
        return await self.do(self.job(PYTHON, "-I", "-c", program, **changes))

    async def do(self, job: Job, *, stdin: bytes = b"") -> Ran:
        """Do a job."""
        written = {"stdout": bytearray(), "stderr": bytearray()}

        async def output(name: str, data: bytes) -> None:
            written[name] += data

        ended = await run_command(self.guards, job, output, stdin=stdin)
        out, err = (bytes(written[name]).decode() for name in ("stdout", "stderr"))
        return Ran(out, err, ended)

    def _python(self) -> list[str] | None:
        if not self.ordinary:
            return None
        found = shutil.which(_ORDINARY[0])
        if found is None or sys.executable == PYTHON:
            pytest.skip("setpriv and a Python outside of homes are needed to be another user")
        return [found, *_ORDINARY[1:]]


@contextmanager
def laboratory(user: str) -> Iterator[Lab]:
    """Make a lab whose folder that user can reach, and take the folder away."""
    base = Path(tempfile.mkdtemp(prefix="lab-")).resolve()
    try:
        yield Lab(base, user)
    finally:
        shutil.rmtree(base)


def place_of(path: Path, *, write: bool = True) -> Place:
    """Return a root as jobs have it."""
    found = path.stat()
    return Place(str(path.resolve()), found.st_dev, found.st_ino, write)


_HELPERS: Final = '''
import ctypes, errno, json, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    """Make a system call; return the name of its error, or its result."""
    longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *longs)
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
def tried(function, *arguments, **named):
    """Return the name of the error that a function raises, or what it returns."""
    try:
        return function(*arguments, **named)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def told(found):
    print(json.dumps(found, default=repr))
'''
