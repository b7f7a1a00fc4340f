"""Commands in processes of their own, which do not import everything anew.

A command such as ``clawmatrix peers`` works for some milliseconds, and imports for 250. Tests run
hundreds of commands. So a server imports what commands need once, and forks for each command: the
child has arguments, an environment, a folder, streams and an exit code of its own, as any process
has. A test that is about how a process starts runs Python itself.

This file is run as the server as well, so it imports nothing but the standard library.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import warnings
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["ForkServer", "commands"]

ROOT = Path(__file__).parents[2]
PATH = "PYTHONPATH"


class ForkServer:
    """A process that forks for each command.

    Args:
        program: the module and the function of the command, as an entry point names them.
        warm: arguments with which the command imports what most others need.
    """

    def __init__(self, program: str, *warm: str) -> None:
        self._requests, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, __file__, str(theirs.fileno()), program, *warm]
            # No folder of a test: it is deleted while the server lives.
            options = {"pass_fds": [theirs.fileno()], "stdin": subprocess.DEVNULL, "cwd": ROOT}
            self._process = subprocess.Popen(command, **options)  # type: ignore[call-overload]

    def run(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        told: str = "",
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, and return what it wrote.

        Args:
            arguments: what stands behind the command's name.
            cwd: the folder that it runs in, this process's unless given.
            env: all of its environment, this process's unless given. ``PYTHONPATH`` holds.
            told: what it reads from standard input.
            timeout: seconds, after which it is killed.

        Raises: subprocess.TimeoutExpired.
        """
        request = {
            "arguments": list(arguments),
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
        }
        with contextlib.ExitStack() as stack:
            given, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(told.encode())
            given.seek(0)
            code = self._ask(request, [one.fileno() for one in (given, out, err)], timeout)
            shown = [_text_of(one) for one in (out, err)]
        return subprocess.CompletedProcess([*arguments], code, *shown)

    def close(self) -> None:
        """End the server; commands that run go on to their end."""
        self._requests.close()
        self._process.wait(20)

    def _ask(self, request: object, streams: list[int], timeout: float) -> int:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._requests, [b"."], [*streams, theirs.fileno()])
            ours.sendall(json.dumps(request).encode())
            ours.shutdown(socket.SHUT_WR)
            ours.settimeout(timeout)
            with ours.makefile() as answers:
                pid = int(answers.readline())
                try:
                    return int(answers.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(str(request), timeout) from None


@cache
def commands() -> ForkServer:
    """Return the server of this process for the command ``clawmatrix``."""
    server = ForkServer("clawmatrix_core.cli.shell:main", "--help")
    atexit.register(server.close)
    return server


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


# What follows runs in the server and in its children.


def _serve(requests: socket.socket, program: str, warm: Sequence[str]) -> None:
    module, _, name = program.partition(":")
    main: Callable[[], None] = getattr(importlib.import_module(module), name)
    _import_what_it_imports(main, warm)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        asked, streams, _, _ = socket.recv_fds(requests, 1, 4)
        if not asked:
            return
        if os.fork() == 0:
            requests.close()
            _attend(main, streams)
        for stream in streams:
            os.close(stream)


def _import_what_it_imports(main: Callable[[], None], warm: Sequence[str]) -> None:
    """Import the modules that the command imports, which leaves nothing else of it behind."""
    names, theirs = os.pipe()
    if os.fork() == 0:
        nowhere = os.open(os.devnull, os.O_RDWR)
        _become({"arguments": warm, "cwd": str(ROOT), "env": dict(os.environ)}, [nowhere] * 3)
        _code_of(main)
        os.write(theirs, "\n".join(sys.modules).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(names) as found:
        for name in found.read().split():
            with contextlib.suppress(ImportError):  # some are made by others as they are imported
                importlib.import_module(name)
    os.wait()


def _attend(main: Callable[[], None], streams: Sequence[int]) -> NoReturn:
    """Fork once more, and tell the test the child's id and then its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=streams[3]) as test, test.makefile() as asked:
        request = json.loads(asked.read())
        child = os.fork()
        if child == 0:
            _become(request, streams[:3])
            test.close()
            os._exit(_code_of(main))
        test.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        test.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: dict[str, object], streams: Sequence[int]) -> None:
    """Have what a process starts with: arguments, a folder, an environment, streams."""
    arguments, env, cwd = request["arguments"], request["env"], str(request["cwd"])
    assert isinstance(arguments, list | tuple)
    assert isinstance(env, dict)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    before = os.environ.get(PATH, "").split(os.pathsep)
    rest = [place for place in sys.path[1:] if place not in before]
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    places = [place for place in env.get(PATH, "").split(os.pathsep) if place]
    sys.path[:] = [cwd, *places, *rest]
    sys.argv[1:] = arguments
    if "PYTHONWARNINGS" in env:
        warnings.simplefilter(env["PYTHONWARNINGS"])
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the process's own
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def _code_of(main: Callable[[], None]) -> int:
    """Run the command, and return its exit code, as Python does."""
    try:
        main()
        code: object = 0
    except SystemExit as exit_:
        code = exit_.code or 0
    except BaseException:  # noqa: BLE001 - what Python prints as it ends
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        _serve(given, sys.argv[2], sys.argv[3:])
