"""The client of a running node's control socket, for commands."""

from __future__ import annotations

import select
import socket
import tomllib
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING

import click
import msgspec

from clawmatrix_core.base.errors import ClawMatrixError, ConfigError
from clawmatrix_core.base.paths import default_state_dir
from clawmatrix_core.base.plain_text import printable
from clawmatrix_core.config.types import Source, read_path
from clawmatrix_core.control.address import SERVER, control_socket_paths
from clawmatrix_core.control.protocol import (
    ANSWER_LIMIT,
    ControlError,
    parse_answer,
    request_line,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from clawmatrix_core.base.json_value import JSON

__all__ = [
    "ControlError",
    "NodePlace",
    "NotRunning",
    "call",
    "locate",
    "stream",
]


SILENCE = 2.0
"""Seconds without an answer after which a command says that it waits."""
_HANGS = " (does it hang? `clawmatrix doctor` looks)"


class NotRunning(ClawMatrixError):
    """The node of the configuration does not run here, or without its control socket."""

    exit_code = 3


class NodePlace(msgspec.Struct, frozen=True):
    """Which node a configuration is for, and where its state is.

    ``has_control`` says whether the configuration lets it have a control socket, ``is_chosen``
    whether it says where the state is.
    """

    node_id: str
    state_dir: Path
    has_control: bool = True
    is_chosen: bool = False


def locate(config_path: Path) -> NodePlace:
    """Return which node the configuration is for.

    Reads no secret, so that commands work where the node's own environment is not.
    Raises: ConfigError.
    """
    try:
        raw = tomllib.loads(config_path.read_text())
    except OSError as error:
        raise ConfigError([f"{config_path}: cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ConfigError([f"{config_path}: {error}"]) from None
    node_id, folder = raw.get("node_id"), raw.get("state_dir")
    if not isinstance(node_id, str):
        raise ConfigError(["node_id: is missing"])
    try:
        state_dir = (
            default_state_dir(node_id)
            if folder is None
            else read_path(folder, Source(base=config_path.absolute().parent))
        )
    except (TypeError, ValueError):
        raise ConfigError(["state_dir: expected a path"]) from None
    return NodePlace(node_id, state_dir, _chooses(raw, SERVER), folder is not None)


def call(
    config_path: Path,
    method: str,
    params: Mapping[str, JSON] | None = None,
    *,
    timeout: float = 30.0,
    tell: bool = True,
) -> JSON:
    """Return what a method of the running node returns.

    ``timeout`` is in seconds, for the whole answer. With ``tell``, standard error says
    so when the node takes long. Raises: NotRunning, ControlError.
    """
    place = locate(config_path)
    deadline = monotonic() + timeout
    with closing(_connect(place, timeout)) as connection:
        _send(connection, place, method, params)
        if tell:
            _tell_if_silent(connection, place, timeout)
        for answer in _answers(connection, place, lambda: deadline - monotonic()):
            if "result" in answer:
                return answer["result"]
            raise ControlError("protocol", f"{method} is not a call")
    raise ControlError("closed", f"node {place.node_id} stopped before it answered")


def stream(
    config_path: Path,
    method: str,
    params: Mapping[str, JSON] | None = None,
    *,
    timeout: float = 60.0,
) -> Iterator[JSON]:
    """Yield what a streaming method of the running node yields.

    Close the iterator to end the work in the node. ``timeout`` is the longest silence, in
    seconds. Raises: NotRunning, ControlError.
    """
    place = locate(config_path)
    with closing(_connect(place, timeout)) as connection:
        _send(connection, place, method, params)
        for answer in _answers(connection, place, lambda: timeout):
            if answer.get("end"):
                return
            if "item" not in answer:
                raise ControlError("protocol", f"{method} is not a stream")
            yield answer["item"]
    raise ControlError("closed", f"node {place.node_id} stopped before it was done")


def _chooses(raw: Mapping[str, object], plugin: str) -> bool:
    named, disabled = raw.get("plugins"), raw.get("disable")
    left_out = isinstance(named, list) and plugin not in named
    return not left_out and not (isinstance(disabled, list) and plugin in disabled)


def _connect(place: NodePlace, timeout: float) -> socket.socket:
    try:
        for path in control_socket_paths(place.state_dir):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(timeout)
            try:
                connection.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                connection.close()
            except OSError:
                connection.close()
                raise
            else:
                return connection
    except PermissionError as error:
        message = f"node {place.node_id} belongs to another user: {error.filename or error}"
        raise ControlError("denied", message) from None
    except OSError as error:
        raise ControlError("closed", f"node {place.node_id} does not answer: {error}") from None
    why = "start it with `clawmatrix run`"
    if not place.has_control:
        why = f"or runs without the {SERVER} plugin, which its configuration leaves out"
    raise NotRunning(f"node {place.node_id} is not running ({why})")


def _send(
    connection: socket.socket, place: NodePlace, method: str, params: Mapping[str, JSON] | None
) -> None:
    line = request_line(method, params)
    try:
        connection.sendall(line)
    except OSError:
        raise ControlError("closed", f"node {place.node_id} closed the connection") from None


def _answers(
    connection: socket.socket, place: NodePlace, left: Callable[[], float]
) -> Iterator[dict[str, JSON]]:
    """Yield each line of the answer. Raises: ControlError, for one that is an error too."""
    buffer = bytearray()
    while True:
        searched = 0
        while (end := buffer.find(b"\n", searched)) < 0:
            searched = len(buffer)
            data = _receive(connection, place, left())
            if not data:
                return
            buffer += data
            if len(buffer) > ANSWER_LIMIT:
                raise ControlError("protocol", "the answer is too long")
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        yield parse_answer(line)


def _tell_if_silent(connection: socket.socket, place: NodePlace, timeout: float) -> None:
    """Wait for a first sign of an answer, and say so where it takes long."""
    if timeout <= SILENCE or select.select([connection], [], [], SILENCE)[0]:
        return
    told = f"clawmatrix: node {place.node_id} has not answered for {SILENCE:g} s; waiting up to"
    click.echo(f"{printable(told)} {timeout:g} s (Ctrl-C ends it)", err=True)


def _receive(connection: socket.socket, place: NodePlace, timeout: float) -> bytes:
    late = ControlError("timeout", f"node {place.node_id} did not answer in time{_HANGS}")
    if timeout <= 0:
        raise late
    connection.settimeout(timeout)
    try:
        return connection.recv(65536)
    except TimeoutError:
        raise late from None
    except OSError:
        return b""
