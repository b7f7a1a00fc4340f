"""The client of a running node's control socket, for commands.

One connection carries one request, ``{"method": …, "params": {…}}`` on a line, and its
answer, a JSON object a line: ``{"result": …}``, or ``{"item": …}`` any number of times and
``{"end": true}``, or ``{"error": {"code": …, "message": …}}``.
"""

from __future__ import annotations

import socket
import tomllib
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_core.base.errors import ClawMatrixError, ConfigError
from clawmatrix_core.base.paths import control_socket_path, default_state_dir
from clawmatrix_core.config.types import Source, read_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = [
    "POINTER",
    "REQUEST_LIMIT",
    "ControlError",
    "NodePlace",
    "NotRunning",
    "call",
    "locate",
    "stream",
]

POINTER = "control.socket"
"""The file in the state folder that says where the node's control socket is."""
REQUEST_LIMIT = 1024 * 1024
"""Bytes the line of a request may have."""
ANSWER_LIMIT = 64 * 1024 * 1024

JSON = Any


class NotRunning(ClawMatrixError):
    """The node of the configuration does not run here, or without its control socket."""


class ControlError(ClawMatrixError):
    """The node answered with an error, or not at all.

    ``code`` is a stable word: one of a method's own, or ``timeout``, ``closed``, ``denied``.
    ``detail`` is JSON for programs.
    """

    def __init__(self, code: str, message: str, *, detail: JSON = None) -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail


@attrs.frozen
class NodePlace:
    """Which node a configuration is for, and where its control socket can be."""

    node_id: str
    state_dir: Path
    has_control: bool = True

    def sockets(self) -> Iterator[Path]:
        """Yield where to look: the place the running node noted, then the usual one."""
        try:
            noted = (self.state_dir / POINTER).read_text().strip()
        except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
            noted = ""
        if noted:
            yield self.state_dir / noted
        yield control_socket_path(self.state_dir)


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
    return NodePlace(node_id, state_dir, _has_control(raw))


def call(
    config_path: Path,
    method: str,
    params: Mapping[str, JSON] | None = None,
    *,
    timeout: float = 30.0,
) -> JSON:
    """Return what a method of the running node returns.

    ``timeout`` is in seconds, for the whole answer. Raises: NotRunning, ControlError.
    """
    place = locate(config_path)
    deadline = monotonic() + timeout
    with closing(_connect(place, timeout)) as connection:
        _send(connection, place, method, params)
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


def _has_control(raw: Mapping[str, object]) -> bool:
    named, disabled = raw.get("plugins"), raw.get("disable")
    left_out = isinstance(named, list) and "control" not in named
    return not left_out and not (isinstance(disabled, list) and "control" in disabled)


def _connect(place: NodePlace, timeout: float) -> socket.socket:
    try:
        for path in place.sockets():
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
        why = "or runs without the control plugin, which its configuration leaves out"
    raise NotRunning(f"node {place.node_id} is not running ({why})")


def _send(
    connection: socket.socket, place: NodePlace, method: str, params: Mapping[str, JSON] | None
) -> None:
    line = msgspec.json.encode({"method": method, "params": params or {}}) + b"\n"
    if len(line) > REQUEST_LIMIT:
        raise ControlError("bad_request", f"a request of {len(line)} bytes is too long")
    try:
        connection.sendall(line)
    except OSError:
        raise ControlError("closed", f"node {place.node_id} closed the connection") from None


def _answers(connection: socket.socket, place: NodePlace, left: Any) -> Iterator[dict[str, JSON]]:
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
        yield _decode(line)


def _receive(connection: socket.socket, place: NodePlace, timeout: float) -> bytes:
    late = ControlError("timeout", f"node {place.node_id} did not answer in time")
    if timeout <= 0:
        raise late
    connection.settimeout(timeout)
    try:
        return connection.recv(65536)
    except TimeoutError:
        raise late from None
    except OSError:
        return b""


def _decode(line: bytes) -> dict[str, JSON]:
    try:
        answer = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise ControlError("protocol", "the node answered with something else than JSON objects")
    match answer.get("error"):
        case None:
            return answer
        case {"code": str(code), "message": str(message), **rest}:
            raise ControlError(code, message, detail=rest.get("detail"))
        case _:
            raise ControlError("protocol", "the node answered with a malformed error")
