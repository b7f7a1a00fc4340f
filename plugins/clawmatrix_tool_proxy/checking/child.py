"""What a checking process runs: one schema and its arguments after another, until none comes.

It is started with ``-I`` by the path of this file, and imports nothing of ClawMatrix. Its standard
input is a socket: a length of four bytes and as much JSON, in both directions.
"""

from __future__ import annotations

import copy
import json
import math
import resource
import socket
import sys
import time
from contextlib import suppress

MEMORY = 1024**3
"""Bytes that the process may take."""
WORDS = 500
"""Characters of a message about an error."""


def main(folder: str, limit: float) -> None:
    """Serve the socket; ``folder`` is where jsonschema is, ``limit`` seconds for each check."""
    sys.path.append(folder)
    from jsonschema.validators import validator_for
    from referencing import Registry

    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with socket.socket(fileno=0) as sock:
        sock.sendall(b"\0")  # ready
        while (line := _receive(sock)) is not None:
            _allow(limit)
            try:
                schema, arguments = json.loads(line)
                kind = validator_for(schema)
                kind.check_schema(schema)
                # An empty registry: no reference is fetched from anywhere.
                answer = _look(kind(schema, registry=Registry()), schema, arguments)
            except Exception as error:  # noqa: BLE001 - whatever a schema brings about
                answer = {"schema": f"{type(error).__name__}: {error}"[:WORDS]}
            data = json.dumps(answer).encode()
            sock.sendall(len(data).to_bytes(4, "big") + data)


def _look(validator: object, schema: object, arguments: object) -> dict[str, object]:
    from jsonschema.exceptions import best_match

    error = best_match(validator.iter_errors(arguments))  # type: ignore[attr-defined]
    if error is not None:
        words = error.message if len(error.message) <= WORDS else f"{error.message[:WORDS]}..."
        return {"error": f"{words} - at `{error.json_path}`"}
    filled = copy.deepcopy(arguments)
    _fill(schema, filled)
    return {"arguments": filled}


def _fill(schema: object, value: object) -> None:
    """Fill in the defaults of properties that are not there."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not isinstance(value, dict):
        return
    for name, part in properties.items():
        if name in value:
            _fill(part, value[name])
        elif isinstance(part, dict) and "default" in part:
            value[name] = copy.deepcopy(part["default"])


def _allow(limit: float) -> None:
    """Let the kernel end the process where nobody else does: its parent may be gone."""
    seconds = math.ceil(time.process_time() + limit) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def _receive(sock: socket.socket) -> bytes | None:
    head = _exactly(sock, 4)
    return None if head is None else _exactly(sock, int.from_bytes(head, "big"))


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = sock.recv(min(size - len(data), 1024**2))
        if not part:
            return None
        data += part
    return bytes(data)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
